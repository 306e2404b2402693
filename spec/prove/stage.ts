/**
 * stage: what a run plays on: server processes, the Redis they share, and gates between them, all in a temporary folder.
 */
import { join } from "node:path";
import { Actor, newFolder, root, started } from "./actor.ts";
import { Gate } from "./gate.ts";
import { ClusterStore, OneStore, SentinelStore, type Store, type StoreKind } from "./store.ts";
import type { Door } from "./talker.ts";

/** One server, the gate its clients come through, and the gate it reaches Redis through. */
export class NodeActor extends Actor implements Door {
  protected readonly name: string;
  readonly front: Gate;
  /** Null: it reaches its Redis by itself. */
  readonly back: Gate | null;
  readonly host = "127.0.0.1";
  readonly #folder: string;

  readonly #flags: string[];

  constructor(
    name: string,
    folder: string,
    { front, back, flags }: { front: Gate; back: Gate | null; flags: string[] },
  ) {
    super();
    this.name = name;
    this.#folder = folder;
    this.#flags = flags;
    this.front = front;
    this.back = back;
  }

  get port(): number {
    return this.front.port;
  }

  isStopped(): boolean {
    return this.state === "stopped";
  }

  linkFrom(port: number): ReturnType<Gate["linkFrom"]> {
    return this.front.linkFrom(port);
  }

  protected async launch(): Promise<boolean> {
    const args = [
      ...["--import", import.meta.resolve("tsx"), join(root, "server.ts")],
      ...["--port", "0", "--rate", "0", ...this.#flags],
    ];
    const child = (this.child = started(process.execPath, args, join(this.#folder, `${this.name}.journal`)));
    const port = await new Promise<number | null>((resolve) => {
      let text = "";
      child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
        if (text === "listening") return;
        text += chunk;
        const found = /"event":"listening".*?"port":(\d+)/.exec(text);
        if (!found) return;
        text = "listening";
        resolve(Number(found[1]));
      });
      child.once("exit", () => resolve(null));
      child.once("error", () => resolve(null));
    });
    if (port === null) return false;
    this.front.retarget({ host: this.host, port });
    return true;
  }
}

export interface StageOptions {
  nodes: number;
  keep: boolean;
  redis: StoreKind;
  /** Flags for every server. */
  flags: string[];
}

/** Nodes on one Redis, or one group. */
export class Stage {
  readonly folder: string;
  readonly store: Store;
  readonly nodes: NodeActor[] = [];

  private constructor(folder: string, store: Store) {
    this.folder = folder;
    this.store = store;
  }

  static async open({ nodes, keep, redis, flags }: StageOptions): Promise<Stage> {
    const folder = newFolder(keep);
    const store = storeOf(redis, folder);
    const stage = new Stage(folder, store);
    await store.open();
    for (let count = 1; count <= nodes; count++) {
      const back = store instanceof OneStore ? await Gate.to({ path: store.socketPath }) : null;
      const url = back ? `redis://127.0.0.1:${back.port}` : String(store.url);
      const front = await Gate.to({ host: "127.0.0.1", port: 9 });
      stage.nodes.push(
        new NodeActor(`node${count}`, folder, { front, back, flags: ["--redis", url, ...flags] }),
      );
    }
    await Promise.all(stage.nodes.map((node) => node.start()));
    return stage;
  }

  /** Puts users there as the first generation did: hashing so many passwords one by one would take its time. */
  async addUsers(users: { userId: number; userPwd: string; userName: string }[]): Promise<void> {
    await this.store.put(
      "users",
      Object.fromEntries(users.map((user) => [String(user.userId), JSON.stringify(user)])),
    );
  }

  async close(): Promise<void> {
    for (const node of this.nodes) {
      node.front.close();
      node.back?.close();
    }
    await Promise.all([...this.nodes.map((node) => node.kill()), this.store.close()]);
  }
}

function storeOf(kind: StoreKind, folder: string): Store {
  switch (kind) {
    case "one":
      return new OneStore(folder);
    case "sentinel":
      return new SentinelStore(folder);
    case "cluster":
      return new ClusterStore(folder);
  }
}
