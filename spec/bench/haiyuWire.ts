/**
 * haiyuWire: a modern session of ours, and, without a log-in, a client of the floor.
 */
import { deliveredFields } from "../../lib/delivered.ts";
import { encodeClient, encodeServer } from "../../lib/message.ts";
import type { Heard, Wire } from "./crowd.ts";
import { FramedReader } from "./framedReader.ts";

/** User ids, names and tokens of the benchmark are all of one length: so frames are. */
export const firstUserId = 100_000;
export const nameOf = (userId: number): string => `u${userId}`;
export const tokenOf = (userId: number): string => `bench-token-of-${userId}`;

const loggedIn = '{"type":"LoginResMes","data":"{\\"code\\":200,';
const answered = '{"type":"SmsResMes","data":"{\\"code\\":200,';

export interface HaiyuWireOptions {
  userId: number;
  heard: Heard;
  replay?: "all" | "none";
  presence?: boolean;
  /** Whom its messages go to; absent: everybody. */
  conv?: () => string;
  /** Called with the payload of each other frame after the log-in. */
  other?: (payload: Buffer) => void;
  /** Called for each SmsResMes 200. */
  stored?: () => void;
  /** Instead of the token. */
  password?: string;
}

/** A session of ours. */
export class HaiyuWire implements Wire {
  readonly #options: HaiyuWireOptions;
  readonly #reader: FramedReader;
  #said = 0;

  constructor(options: HaiyuWireOptions) {
    this.#options = options;
    const { heard, other, stored } = options;
    let isIn = false;
    this.#reader = new FramedReader({
      delivered: (number) => heard.delivered(number),
      wantsOther: true,
      other: (payload) => {
        if (!isIn) {
          const head = payload.toString("latin1", 0, loggedIn.length);
          if (!head.startsWith('{"type":"LoginResMes')) return;
          isIn = head === loggedIn;
          if (isIn) heard.ready();
          else heard.failed(payload.toString("utf8", 0, 200));
          other?.(payload);
          return;
        }
        // 'S' of SmsResMes: the only other type that begins so.
        if (payload[9] === 0x53) {
          if (payload.toString("latin1", 0, answered.length) !== answered) heard.failed(payload.toString());
          else stored?.();
        } else other?.(payload);
      },
    });
  }

  hello(): Buffer {
    const { userId, replay = "none", presence = false, password } = this.#options;
    const secret = password === undefined ? { token: tokenOf(userId) } : { userPwd: password };
    return encodeClient("LoginMes", { userId, v: 2, device: "bench", replay, presence, ...secret });
  }

  say(content: string): Buffer {
    const { conv, userId } = this.#options;
    const mid = `${userId}.${this.#said++}`;
    return encodeClient("SmsMes", { content, mid, ...(conv && { conv: conv() }) });
  }

  read(bytes: Buffer, length: number): void {
    this.#reader.read(bytes, length);
  }
}

/** A client of the floor: it says frames as long as those that our readers get. */
export class FloorWire implements Wire {
  readonly #userId: number;
  readonly #reader: FramedReader;
  #said = 0;

  constructor(userId: number, heard: Heard) {
    this.#userId = userId;
    this.#reader = new FramedReader({
      delivered: (number) => heard.delivered(number),
      wantsOther: true,
      other: () => heard.ready(),
    });
  }

  hello(): null {
    return null;
  }

  say(content: string): Buffer {
    const sender = this.#userId;
    const id = { epoch: 1_790_000_000, seq: 1_000 };
    const mid = `${sender}.${this.#said++}`;
    const entry = {
      id,
      sender,
      device: "bench",
      mid,
      time: Date.now(),
      name: nameOf(sender),
      sex: "",
      content,
    };
    return encodeServer("SmsMes", deliveredFields(entry, "all"));
  }

  read(bytes: Buffer, length: number): void {
    this.#reader.read(bytes, length);
  }
}
