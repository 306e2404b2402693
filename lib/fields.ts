/**
 * fields: readers for single values of a message, from which the table in message.ts is made. A reader takes a
 * parsed JSON value and gives the checked one, or throws CodedError 400 (wrong shape) or 413 (too long). Only what
 * is named is picked, one field at a time: nothing of a stranger's object is ever spread, merged or kept.
 */
import { CodedError, codes } from "./codes.ts";

export type Reader<T> = (value: unknown, path: string) => T;
export type Shape = Record<string, Reader<unknown>>;
type OptionalKeys<S extends Shape> = {
  [K in keyof S]: undefined extends ReturnType<S[K]> ? K : never;
}[keyof S];
/** The type that a shape reads: readers that may give undefined become optional fields. */
export type FieldsOf<S extends Shape> = {
  [K in Exclude<keyof S, OptionalKeys<S>>]: ReturnType<S[K]>;
} & { [K in OptionalKeys<S>]?: ReturnType<S[K]> };

function refuse(path: string, wanted: string): never {
  throw new CodedError(codes.malformed, { detail: `${path} wants ${wanted}` });
}

function tooLong(path: string, wanted: string): never {
  throw new CodedError(codes.tooLong, { detail: `${path} wants ${wanted}` });
}

/** A safe integer from min to max. -0 becomes 0. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, path) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      refuse(path, `an integer from ${min} to ${max}`);
    }
    return value + 0;
  };
}

/** true or false. */
export const flag: Reader<boolean> = (value, path) =>
  typeof value === "boolean" ? value : refuse(path, "true or false");

/** Any string, made well-formed (a lone surrogate becomes U+FFFD), at most maxUnits UTF-16 units. */
export function text(minUnits: number, maxUnits: number): Reader<string> {
  return (value, path) => {
    if (typeof value !== "string" || value.length < minUnits)
      refuse(path, `${minUnits} to ${maxUnits} UTF-16 units`);
    if (value.length > maxUnits) tooLong(path, `at most ${maxUnits} UTF-16 units`);
    return value.toWellFormed();
  };
}

/** A string of minBytes (0 or 1) to maxBytes bytes of UTF-8. */
export function secret(minBytes: 0 | 1, maxBytes: number): Reader<string> {
  return (value, path) => {
    if (typeof value !== "string" || value.length < minBytes) {
      refuse(path, `${minBytes} to ${maxBytes} bytes of text`);
    }
    const wellFormed = value.toWellFormed();
    if (Buffer.byteLength(wellFormed) > maxBytes) tooLong(path, `at most ${maxBytes} bytes`);
    return wellFormed;
  };
}

// Controls, line separators and the bidi controls: a name with them can forge a line on another person's screen.
const unfitForName = /[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu;

/** A name that was not checked when it was stored, as `personName` would have it; "" stays "". */
export function madeFitForName(text: string, maxCodePoints: number): string {
  const fit = text.toWellFormed().replace(unfitForName, "\ufffd");
  return [...fit].slice(0, maxCodePoints).join("");
}

/** A name: 1 to maxCodePoints code points, no control characters. */
export function personName(maxCodePoints: number): Reader<string> {
  return (value, path) => {
    if (typeof value !== "string" || value.length === 0) refuse(path, `1 to ${maxCodePoints} characters`);
    const wellFormed = value.toWellFormed();
    if ([...wellFormed.slice(0, 2 * maxCodePoints + 1)].length > maxCodePoints) {
      tooLong(path, `at most ${maxCodePoints} characters`);
    }
    if (madeFitForName(wellFormed, maxCodePoints) !== wellFormed) refuse(path, "no control characters");
    return wellFormed;
  };
}

/** A string that `fits`, of at most maxUnits UTF-16 units; `wanted` says it for people. */
export function textThat(
  fits: (text: string) => boolean,
  wanted: string,
  maxUnits: number = Infinity,
): Reader<string> {
  return (value, path) => {
    if (typeof value !== "string") refuse(path, wanted);
    if (value.length > maxUnits) tooLong(path, wanted);
    return fits(value) ? value : refuse(path, wanted);
  };
}

/** One of the given values. */
export function oneOf<const T extends string | number>(...allowed: T[]): Reader<T> {
  return (value, path) => allowed.find((one) => one === value) ?? refuse(path, allowed.join(" or "));
}

/** What `reader` reads, or undefined where the field is absent. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, path) => (value === undefined ? undefined : reader(value, path));
}

/** What `reader` reads, or null where the field is null. */
export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, path) => (value === null ? null : reader(value, path));
}

/** An array, every element read by `reader`. */
export function list<T>(reader: Reader<T>): Reader<T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((one, index) => reader(one, `${path}[${index}]`))
      : refuse(path, "a list");
}

/** An object with the fields of `shape`; other fields are passed over. */
export function object<S extends Shape>(shape: S): Reader<FieldsOf<S>> {
  const readers = Object.entries(shape);
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(path, "an object");
    const result: Record<string, unknown> = {};
    for (const [name, reader] of readers) {
      // Own properties only: `constructor` and its like are no fields of a message.
      const given = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
      const read = reader(given, path === "" ? name : `${path}.${name}`);
      if (read !== undefined) result[name] = read;
    }
    return result as FieldsOf<S>;
  };
}

/** An object of integers by name, as LoginResMes.limits. */
export const integersByName: Reader<Record<string, number>> = (value, path) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) refuse(path, "an object");
  const result: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const [name, one] of Object.entries(value)) result[name] = integer(0)(one, `${path}.${name}`);
  return result;
};
