/**
 * archive: what history shows: the room while the run lasts (its log is trimmed), private conversations at the end,
 * from the newest page back to the first.
 */
import { type Recorder, idOf, isOf } from "./recorder.ts";
import type { Talker } from "./talker.ts";
import type { Fields } from "./wire.ts";

const pageMessages = 200;
const retryMs = 100;

/** Reads on in the room from where it was, page by page; true when it has reached the end. */
export class RoomArchive {
  readonly #recorder: Recorder;
  readonly #archivist: Talker;
  readonly #how: "archived" | "kept";
  #after: string;

  /** `kept`: it is read when all is over, and shows what is left. */
  constructor(
    recorder: Recorder,
    archivist: Talker,
    { after, how }: { after: string; how: "archived" | "kept" },
  ) {
    this.#recorder = recorder;
    this.#archivist = archivist;
    this.#how = how;
    this.#after = after;
  }

  async readOn(): Promise<boolean> {
    for (;;) {
      const page = await this.#archivist.history({ conv: "all", after: this.#after, limit: pageMessages });
      if (page?.code !== 200) return false;
      for (const message of page.messages as Fields[]) {
        this.#recorder[this.#how]("all", idOf(message.id), this.#archivist.codeOf(message));
        this.#after = String(message.id);
      }
      if (page.more !== true) return true;
    }
  }
}

/** Reads every private conversation backwards and records it, before `deadlineMs` (monotonic). */
export async function readPrivate(
  recorder: Recorder,
  talkers: readonly Talker[],
  deadlineMs: number,
): Promise<void> {
  const names = [...recorder.convs.keys()].filter((name) => name !== "all") as `${number}:${number}`[];
  await Promise.all(
    names.map(async (name) => {
      const reader = talkers.find(({ options: { legacy, userId } }) => !legacy && isOf(name, userId));
      if (!reader) return;
      const found: Fields[] = [];
      let before: string | undefined;
      while (performance.now() < deadlineMs) {
        const page = await reader.history({
          ...{ conv: reader.viewOf(name), limit: pageMessages },
          ...(before !== undefined && { before }),
        });
        if (page?.code !== 200) {
          await new Promise((resolve) => setTimeout(resolve, retryMs));
          continue;
        }
        const messages = page.messages as Fields[];
        found.unshift(...messages);
        before = String(messages[0]?.id);
        if (page.more !== true || messages.length === 0) break;
      }
      for (const message of found) {
        recorder.archived(name, idOf(message.id), reader.codeOf(message));
        recorder.kept(name, idOf(message.id), reader.codeOf(message));
      }
    }),
  );
}
