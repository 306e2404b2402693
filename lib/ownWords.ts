/**
 * ownWords: what becomes of one's own messages, line by line (clause [C-27]): stored and how, with a device of the other
 * side, refused and why, kept on this disk. Said once each, when it is known.
 */
import type { Chat, ChatNews } from "./chat.ts";
import { harmless } from "./displayText.ts";
import { plainAnswerWaitMs, plainWaitingMax } from "./limits.ts";
import { compareIds, parseId } from "./messageId.ts";
import { type LinesContext, addressed, indented, peerText, spokenLine, waitingLine } from "./plainLines.ts";
import type { PendingMessage, Room, RoomMessage } from "./room.ts";

export interface OwnWordsOptions {
  chat: Chat;
  /** In the language of the moment. */
  context: () => LinesContext;
  print: (line: string) => void;
}

/** The own messages of one chat. */
export class OwnWords {
  /** Something was refused for good. */
  anyRefused = false;
  readonly #options: OwnWordsOptions;
  /** Of these it was said that they wait. */
  readonly #saidToWait = new WeakSet<PendingMessage>();
  #someSettled: () => void = () => undefined;

  constructor(options: OwnWordsOptions) {
    this.#options = options;
  }

  /** Waits until what was said is answered, but not for long; of what is not then, it is said that it waits. */
  async answered(): Promise<void> {
    const { chat, context, print } = this.#options;
    let isLate = false;
    const late = chat.clock.after(plainAnswerWaitMs, () => {
      isLate = true;
      this.#someSettled();
    });
    while (this.#waiting.length > 0 && chat.client.state.kind === "online" && !isLate) {
      await new Promise<void>((resolve) => (this.#someSettled = resolve));
    }
    late.cancel();
    const waiting = this.#waiting;
    for (const { pending } of waiting) this.#saidToWait.add(pending);
    if (waiting.length > plainWaitingMax) return print(`* ${chat.texts.unsent(waiting.length)}`);
    for (const { room, pending } of waiting) print(waitingLine(room, pending, context()));
  }

  /** The fate of one is known. */
  settled({ room, content, outcome }: ChatNews & { kind: "settled" }): void {
    const { chat, context, print } = this.#options;
    const { say } = context();
    const shown = addressed(room, content, say);
    if (outcome.kind === "stored") {
      const id = parseId(outcome.id);
      const item = room.items.findLast(
        (one) => one.kind === "message" && id !== null && compareIds(one.id, id) === 0,
      );
      if (item) print(spokenLine(room, item as RoomMessage, context()));
    } else if (outcome.kind === "refused") {
      this.anyRefused = true;
      const why = chat.codeTexts[outcome.code] ?? harmless(outcome.error);
      print(`! ${say.refused(why, shown)}`);
      if (context().marks) print(`  ${chat.texts.decide.lines}`);
    } else print(`! ${chat.isKept ? say.kept(shown) : say.unknownOutcome(shown)}`);
    this.#someSettled();
  }

  /** The other side has some of them: the last one is said. */
  delivered({ room, from, to }: ChatNews & { kind: "delivered" }): void {
    const { context, print } = this.#options;
    const { say, reader } = context();
    const last = room.items.findLast(
      (one) => one.kind === "message" && one.userId === reader && compareIds(one.id, to) <= 0,
    );
    if (last?.kind !== "message" || compareIds(last.id, from) <= 0) return;
    print(`✓✓ ${say.received(peerText(room), indented(last.content))}`);
  }

  /** What has no answer, and nobody was told so. */
  get #waiting(): { room: Room; pending: PendingMessage }[] {
    return this.#options.chat.rooms.all.flatMap((room) =>
      room.pending
        .filter((pending) => pending.fate.kind === "queued" && !this.#saidToWait.has(pending))
        .map((pending) => ({ room, pending })),
    );
  }
}
