/**
 * wireClient: a client that knows nothing of lib/: its own framing, its own JSON, no checks but those a spec makes. It
 * says what it is told to, at whatever cuts, and keeps every frame it heard, in order.
 */
import { type Socket, connect } from "node:net";
import { after } from "node:test";
import { inTime } from "./wait.ts";

// What a spec reads out of a frame is whatever the server wrote there.
export type Data = Record<string, unknown>;

export interface Heard {
  type: string;
  data: Data;
  /** Payload bytes of the frame. */
  bytes: number;
}

/** One frame: length, envelope, data as a string of JSON. */
export function frameOf(type: string, data: unknown): Buffer {
  return frameOfPayload(Buffer.from(JSON.stringify({ type, data: JSON.stringify(data) })));
}

/** One frame around any bytes. */
export function frameOfPayload(payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}

// A spec that failed half-way must not keep its process, and so the whole run, alive.
const open = new Set<Socket>();
after(() => {
  for (const socket of open) socket.destroy();
});

export class WireClient {
  readonly socket: Socket;
  /** Everything heard, in order. */
  readonly heard: Heard[] = [];
  /** Takes each frame instead of `heard`: for benchmarks, which keep none. */
  onHeard: ((heard: Heard) => void) | null = null;
  /** Resolves when the connection has ended, with how: "end" (a clean FIN) or the error's code. */
  readonly closed: Promise<string>;
  isClosed = false;
  #rest: Buffer = Buffer.alloc(0);
  #read = 0;
  #wakes: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    open.add(socket);
    let how = "";
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => (how ||= "end"));
    socket.on("error", (error: NodeJS.ErrnoException) => (how ||= error.code ?? "error"));
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.isClosed = true;
        open.delete(socket);
        this.#wake();
        resolve(how || "closed");
      });
    });
  }

  /** Connects; `localAddress` (127.0.0.x) is for those who want to be somebody else. */
  static async connect(port: number, localAddress = "127.0.0.1"): Promise<WireClient> {
    const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
    const client = new WireClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return client;
  }

  /** Connects and logs in, modern unless `fields` says `v: undefined`; LoginResMes is in `heard[0]`. */
  static async login(port: number, fields: Data): Promise<WireClient> {
    const client = await WireClient.connect(port);
    client.say("LoginMes", { v: 2, ...fields });
    const { data } = await client.next("LoginResMes");
    if (data.code !== 200) throw new Error(`log-in of ${String(fields.userId)}: ${JSON.stringify(data)}`);
    return client;
  }

  /** Says one message. */
  say(type: string, data: unknown): void {
    this.socket.write(frameOf(type, data));
  }

  /** Says one message and gives the next frame of the answer's type. */
  async ask(type: string, data: unknown, answer: string): Promise<Data> {
    this.say(type, data);
    return (await this.next(answer)).data;
  }

  /** Writes bytes as they are. */
  bytes(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /**
   * The next frame of a type that was not taken yet, in order of arrival; frames of other types before it are passed
   * over. Throws when the connection ends before, or nothing comes in time.
   */
  async next(type?: string, fits: (data: Data) => boolean = () => true): Promise<Heard> {
    const looking = async (): Promise<Heard> => {
      for (;;) {
        while (this.#read < this.heard.length) {
          const one = this.heard[this.#read++] as Heard;
          if ((type === undefined || one.type === type) && fits(one.data)) return one;
        }
        if (this.isClosed) throw new Error(`the connection ended before ${type ?? "a frame"} came`);
        await new Promise<void>((resolve) => this.#wakes.push(resolve));
      }
    };
    return inTime(type ?? "a frame", looking());
  }

  /** Resolves when `fits` is true of what was heard so far. */
  async hears(what: string, fits: (heard: Heard[]) => boolean): Promise<void> {
    const looking = async (): Promise<void> => {
      while (!fits(this.heard)) {
        if (this.isClosed) throw new Error(`the connection ended before ${what}`);
        await new Promise<void>((resolve) => this.#wakes.push(resolve));
      }
    };
    return inTime(what, looking());
  }

  /** Everything heard of one type. */
  all(type: string): Data[] {
    return this.heard.filter((one) => one.type === type).map(({ data }) => data);
  }

  /** A PingMes round: when it is answered, everything said before it was answered. For modern sessions. */
  async settled(): Promise<void> {
    const n = Math.floor(Math.random() * 1e9);
    this.say("PingMes", { n });
    await this.hears(`PongMes ${n}`, (heard) =>
      heard.some(({ type, data }) => type === "PongMes" && data.n === n),
    );
  }

  /** Ends its side (FIN), and waits for the server's end. */
  async end(): Promise<void> {
    this.socket.end();
    await inTime("the server's end", this.closed);
  }

  /** Vanishes (RST or FIN, as the kernel likes). */
  destroy(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE(0);
      if (this.#rest.length < 4 + length) break;
      const payload = this.#rest.subarray(4, 4 + length);
      this.#rest = this.#rest.subarray(4 + length);
      const { type, data } = JSON.parse(payload.toString()) as { type: string; data: string };
      const heard = { type, data: JSON.parse(data) as Data, bytes: length };
      if (this.onHeard) this.onHeard(heard);
      else this.heard.push(heard);
    }
    this.#wake();
  }

  #wake(): void {
    const wakes = this.#wakes;
    this.#wakes = [];
    for (const wake of wakes) wake();
  }
}

/** Makes an account, on a connection of its own. Throws unless it is answered 200. */
export async function registerUser(port: number, userId: number, userName = `user${userId}`): Promise<void> {
  const client = await WireClient.connect(port);
  const user = { userId, userPwd: `pw${userId}`, userName };
  const { code, error } = await client.ask("RegisterMes", { user }, "RegisterResMes");
  client.destroy();
  if (code !== 200) throw new Error(`registration of ${userId}: ${String(code)} ${String(error)}`);
}

/** Registers and logs in; the password is `pw<userId>`. */
export async function newUser(port: number, userId: number, fields: Data = {}): Promise<WireClient> {
  await registerUser(port, userId);
  return WireClient.login(port, { userId, userPwd: `pw${userId}`, ...fields });
}
