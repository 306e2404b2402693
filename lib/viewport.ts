/**
 * viewport: which rows of a conversation are on the screen. It hangs on an item, not on a number of rows: whatever comes
 * in below or is fetched above, what a person reads stays where it is. Where a hole is on the screen with the message
 * above it, it hangs on that message, and the hole is filled from there: whoever reads down into it reads on. No I/O.
 */
import { compareIds } from "./messageId.ts";
import type { Hole, Room, RoomItem } from "./room.ts";
import { type RowsContext, holeRow, itemRows, pendingRows } from "./roomRows.ts";
import type { Span } from "./screenBuffer.ts";

/**
 * The lowest row that is shown: the newest, or one so many rows below an item's last row (above it where `below` is
 * negative), whatever stands there.
 */
export type Scroll = { kind: "end" } | { kind: "at"; item: RoomItem; below: number };

interface Place {
  index: number;
  row: number;
}

export interface Viewport {
  rows: Span[][];
  /** A hole on the screen that can be filled, and whether from its upper end; null: none. */
  wanted: { hole: Hole; fromAbove: boolean } | null;
  /** The topmost item that there is, is on the screen, and older ones may exist. */
  wantsOlder: boolean;
  /** The same place, hung where it stays when what is wanted comes. */
  scroll: Scroll;
}

/** A conversation in a window of so many rows. */
export class RoomWindow {
  readonly #room: Room;
  readonly #context: RowsContext;
  readonly #height: number;
  readonly #cache = new Map<number, Span[][]>();

  constructor(room: Room, context: RowsContext, height: number) {
    this.#room = room;
    this.#context = context;
    this.#height = Math.max(height, 1);
  }

  /** What is to be shown. */
  view(scroll: Scroll): Viewport {
    const lowest = this.#placeOf(scroll);
    const rows: Span[][] = [];
    const holes: Hole[] = [];
    let { index } = lowest;
    let row = lowest.row;
    for (; index >= 0 && rows.length < this.#height; index--) {
      const own = this.#rowsAt(index);
      rows.push(...own.slice(0, row + 1).reverse());
      const hole = this.#holeAt(index);
      if (hole?.state === "missing") holes.push(hole);
      row = Infinity;
    }
    const isTop = index < 0;
    const wantsOlder = isTop && !this.#room.isWhole;
    const shown = { rows: rows.slice(0, this.#height).reverse(), wantsOlder };
    const [nearest] = holes;
    const upmost = holes.at(-1);
    // Whoever is at the end stays there: what is missing comes in above.
    if (scroll.kind === "end" || !upmost) {
      return { ...shown, wanted: nearest ? { hole: nearest, fromAbove: false } : null, scroll };
    }
    const hung = this.#hungAbove(upmost, lowest, index);
    return { ...shown, wanted: { hole: upmost, fromAbove: hung !== null }, scroll: hung ?? scroll };
  }

  /** Moves by rows, up (below 0) or down; down not beyond what is missing and on its way: it comes there. */
  moved(scroll: Scroll, rows: number): Scroll {
    if (scroll.kind === "end" && rows >= 0) return scroll;
    const from = this.#placeOf(scroll);
    const to = this.#stepped(from, rows);
    const limit = rows < 0 ? this.#placeFromTop() : this.#holeBetween(from, to);
    const isBeyond = limit && (to.index - limit.index || to.row - limit.row) * rows > 0;
    return this.#scrollAt(isBeyond ? limit : to);
  }

  /** With an item's first row at the top, or as near to it as can be. */
  withTop(item: RoomItem): Scroll {
    const index = this.#room.items.indexOf(item);
    const scroll = index < 0 ? { kind: "end" as const } : this.#scrollAt(this.#placeBelowTop(index));
    return scroll.kind === "end" ? scroll : this.#hungOn(index, this.#placeOf(scroll));
  }

  /** The oldest that there is. */
  top(): Scroll {
    return this.#scrollAt(this.#placeFromTop());
  }

  get #count(): number {
    return this.#room.items.length + (this.#room.holeAtEnd ? 1 : 0) + this.#room.pending.length;
  }

  #rowsAt(index: number): Span[][] {
    let rows = this.#cache.get(index);
    if (!rows) this.#cache.set(index, (rows = this.#made(index)));
    return rows;
  }

  #made(index: number): Span[][] {
    const { items, pending, holeAtEnd } = this.#room;
    if (index < items.length) return itemRows(this.#room, index, this.#context);
    const behind = index - items.length;
    if (holeAtEnd && behind === 0) return [holeRow(holeAtEnd, this.#context)];
    const waiting = pending[behind - (holeAtEnd ? 1 : 0)];
    return waiting ? pendingRows(this.#room, waiting, this.#context) : [];
  }

  #holeAt(index: number): Hole | null {
    const { items, holeAtEnd } = this.#room;
    if (index < items.length) return this.#room.holeBefore(index);
    return index === items.length ? holeAtEnd : null;
  }

  #placeOf(scroll: Scroll): Place {
    const index = scroll.kind === "at" ? this.#room.items.indexOf(scroll.item) : -1;
    if (scroll.kind === "end" || index < 0) return this.#end;
    return this.#stepped({ index, row: this.#lastRowOf(index) }, scroll.below);
  }

  get #end(): Place {
    const index = this.#count - 1;
    return { index, row: index < 0 ? 0 : this.#lastRowOf(index) };
  }

  #lastRowOf(index: number): number {
    return this.#rowsAt(index).length - 1;
  }

  /** So many rows further down, or up; at most to either end. */
  #stepped({ index, row }: Place, rows: number): Place {
    let to = row + rows;
    for (; to < 0 && index > 0; index--) to += this.#lastRowOf(index - 1) + 1;
    for (; to > this.#lastRowOf(index) && index < this.#count - 1; index++) to -= this.#lastRowOf(index) + 1;
    return { index, row: Math.max(0, Math.min(to, this.#lastRowOf(index))) };
  }

  /** The row of a hole at which reading down waits, as long as it can be filled. */
  #holeBetween(from: Place, to: Place): Place | null {
    if (!this.#context.isConnected) return null;
    for (let index = from.index + (from.row > 0 ? 1 : 0); index <= to.index; index++) {
      if (this.#holeAt(index)?.state === "missing") return { index, row: 0 };
    }
    return null;
  }

  /** The lowest row shown when the oldest one is at the top. */
  #placeFromTop(): Place {
    return this.#placeBelowTop(0);
  }

  /** The lowest row shown when an item's first one is at the top. */
  #placeBelowTop(first: number): Place {
    return this.#count === 0 ? this.#end : this.#stepped({ index: first, row: 0 }, this.#height - 1);
  }

  /** `lowest`, hung on the message above a hole; null where that is not on the screen, whose first item is behind `top`. */
  #hungAbove(hole: Hole, lowest: Place, top: number): Scroll | null {
    const { items } = this.#room;
    for (let at = Math.min(lowest.index, items.length - 1); at > top; at--) {
      const item = items[at];
      if (item?.kind === "message" && compareIds(item.id, hole.after) === 0) return this.#hungOn(at, lowest);
    }
    return null;
  }

  #hungOn(at: number, { index, row }: Place): Scroll {
    const item = this.#room.items[at];
    if (!item) return { kind: "end" };
    let below = row - this.#lastRowOf(at);
    for (let between = at; between < index; between++) below += this.#rowsAt(between).length;
    return { kind: "at", item, below };
  }

  #scrollAt(place: Place): Scroll {
    const { index, row } = this.#end;
    const isMissing = this.#room.holeAtEnd?.state === "missing";
    if (place.index === index && place.row >= row && !isMissing) return { kind: "end" };
    return this.#hungOn(Math.min(place.index, this.#room.items.length - 1), place);
  }
}
