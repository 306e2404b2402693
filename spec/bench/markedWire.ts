/**
 * markedWire: a member of any system with a text protocol: some words until it is in the room, then numbers only.
 */
import type { Heard, Wire } from "./crowd.ts";
import { MarkedReader } from "./markedReader.ts";

export interface MarkedTalk {
  hello: Buffer;
  say: (text: string) => Buffer;
  /** Looks at all that came so far; says what to answer, and whether the member is in the room. */
  joining: (soFar: string) => { answer?: Buffer; isIn: boolean };
}

/** A member that speaks as `talk` says. */
export class MarkedWire implements Wire {
  readonly #talk: MarkedTalk;
  readonly #heard: Heard;
  readonly #reader: MarkedReader;
  #soFar: string | null = "";

  constructor(talk: MarkedTalk, heard: Heard) {
    this.#talk = talk;
    this.#heard = heard;
    this.#reader = new MarkedReader((number) => heard.delivered(number));
  }

  hello(): Buffer {
    return this.#talk.hello;
  }

  say(text: string): Buffer {
    return this.#talk.say(text);
  }

  read(bytes: Buffer, length: number): void {
    if (this.#soFar === null) return this.#reader.read(bytes, length);
    this.#soFar += bytes.toString("latin1", 0, length);
    const { answer, isIn } = this.#talk.joining(this.#soFar);
    if (answer) this.#heard.answer(answer);
    if (!isIn) return;
    this.#soFar = null;
    this.#heard.ready();
  }
}
