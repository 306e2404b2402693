/**
 * viewport: which rows of a conversation are on the screen. It hangs on an item, not on a number of rows: whatever comes
 * in below or is fetched above, what a person reads stays where it is. No I/O.
 */
import type { Hole, Room, RoomItem } from "./room.ts";
import { type RowsContext, holeRow, itemRows, pendingRows } from "./roomRows.ts";
import type { Span } from "./screenBuffer.ts";

/** The lowest row that is shown: the newest, or a row of an item. */
export type Scroll = { kind: "end" } | { kind: "at"; item: RoomItem; row: number };

interface Place {
  index: number;
  row: number;
}

export interface Viewport {
  rows: Span[][];
  /** Holes on the screen that can be filled. */
  holes: Hole[];
  /** The topmost item that there is, is on the screen, and older ones may exist. */
  wantsOlder: boolean;
  /** The lowest item on the screen; null when the end is. */
  lowest: RoomItem | null;
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
    const place = this.#placeOf(scroll);
    const rows: Span[][] = [];
    const holes: Hole[] = [];
    let { index } = place;
    let row = place.row;
    for (; index >= 0 && rows.length < this.#height; index--) {
      const own = this.#rowsAt(index);
      rows.push(...own.slice(0, row + 1).reverse());
      const hole = this.#holeAt(index);
      if (hole?.state === "missing") holes.push(hole);
      row = Infinity;
    }
    const isTop = index < 0;
    const { items } = this.#room;
    return {
      rows: rows.slice(0, this.#height).reverse(),
      holes,
      wantsOlder: isTop && !this.#room.isWhole,
      lowest: scroll.kind === "end" ? null : (items[place.index] ?? null),
    };
  }

  /** Moves by rows, up (below 0) or down. */
  moved(scroll: Scroll, rows: number): Scroll {
    let { index, row } = this.#placeOf(scroll);
    if (rows < 0) {
      let left = -rows;
      while (left > row && index > 0) {
        left -= row + 1;
        index--;
        row = this.#rowsAt(index).length - 1;
      }
      row = Math.max(row - left, 0);
      const lowest = this.#placeFromTop();
      if (index < lowest.index || (index === lowest.index && row < lowest.row)) ({ index, row } = lowest);
    } else {
      let left = rows;
      for (;;) {
        const below = this.#rowsAt(index).length - 1 - row;
        if (left <= below) {
          row += left;
          break;
        }
        if (index >= this.#count - 1) return { kind: "end" };
        left -= below + 1;
        index++;
        row = 0;
      }
    }
    return this.#scrollAt({ index, row });
  }

  /** With an item's first row at the top, or as near to it as can be. */
  withTop(item: RoomItem): Scroll {
    let index = this.#room.items.indexOf(item);
    if (index < 0) return { kind: "end" };
    let left = this.#height;
    for (; index < this.#count; index++) {
      const own = this.#rowsAt(index).length;
      if (own >= left) return this.#scrollAt({ index, row: left - 1 });
      left -= own;
    }
    return { kind: "end" };
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
    const end = this.#count - 1;
    const index = scroll.kind === "at" ? this.#room.items.indexOf(scroll.item) : -1;
    if (scroll.kind === "end" || index < 0)
      return { index: end, row: end < 0 ? 0 : this.#rowsAt(end).length - 1 };
    return { index, row: Math.min(scroll.row, this.#rowsAt(index).length - 1) };
  }

  /** The lowest row shown when the oldest one is at the top. */
  #placeFromTop(): Place {
    let left = this.#height;
    for (let index = 0; index < this.#count; index++) {
      const own = this.#rowsAt(index).length;
      if (own >= left) return { index, row: left - 1 };
      left -= own;
    }
    const index = this.#count - 1;
    return { index, row: index < 0 ? 0 : this.#rowsAt(index).length - 1 };
  }

  #scrollAt({ index, row }: Place): Scroll {
    const { items } = this.#room;
    const item = items[index];
    if (!item) return { kind: "end" };
    if (index === this.#count - 1 && row >= this.#rowsAt(index).length - 1) return { kind: "end" };
    return { kind: "at", item, row };
  }
}
