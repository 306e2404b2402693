/**
 * deviceKind: what may be said of a device to somebody else: its kind, never its name (clause [B-4]). The kind is the
 * first word of the name, where it is one of the few known ones.
 */
const kinds: readonly string[] = ["desktop", "legacy", "phone", "script", "terminal", "web"];

/** The kind of a device, by its name: `terminal-5f2a` is "terminal"; "other" where the name tells none. */
export function deviceKind(device: string): string {
  const [first = ""] = device.split(/[-._]/, 1);
  return kinds.includes(first) ? first : "other";
}
