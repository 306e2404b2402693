/**
 * figures: what was measured: one value a repetition, kept together, so that a median never stands without its spread.
 */
export interface FigureName {
  axis: string;
  /** What exactly was done, as "N=1000, 256 in flight". */
  work: string;
  system: string;
  metric: string;
  unit: string;
}

export interface Figure extends FigureName {
  values: number[];
}

/** All figures of one run, in the order in which they came. */
export class Figures {
  readonly #all = new Map<string, Figure>();

  /** Adds the values of one repetition; each is named by its metric and unit, as "p50 ms". */
  add({ axis, work, system }: Omit<FigureName, "metric" | "unit">, values: Record<string, number>): void {
    for (const [name, value] of Object.entries(values)) {
      const at = name.lastIndexOf(" ");
      const [metric, unit] = [name.slice(0, at), name.slice(at + 1)];
      const key = [axis, work, system, metric].join("\n");
      const figure = this.#all.get(key) ?? { axis, work, system, metric, unit, values: [] };
      figure.values.push(value);
      this.#all.set(key, figure);
    }
  }

  get all(): Figure[] {
    return [...this.#all.values()];
  }

  /** The figure of a name, or null where it was not measured. */
  find({ axis, work, system, metric }: Omit<FigureName, "unit">): Figure | null {
    return this.#all.get([axis, work, system, metric].join("\n")) ?? null;
  }
}

/** The middle value; NaN of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const half = sorted.length >> 1;
  const [low = NaN, high = NaN] =
    sorted.length % 2 ? [sorted[half], sorted[half]] : [sorted[half - 1], sorted[half]];
  return (low + high) / 2;
}

/** Ratios of two figures, repetition by repetition: those that ran next to each other. */
export function ratiosOf(one: Figure, other: Figure): number[] {
  return one.values.flatMap((value, index) => {
    const base = other.values[index];
    return base ? [value / base] : [];
  });
}
