/** An object of the archive. */
export interface ArchiveEntry {
  /** Its number in the archive, by which pg_restore takes it. */
  readonly number: string;
  /** What pg_restore lists, for people: `INDEX public orders_idx owner`. Blanks stand for line ends in it, so two objects may share one. */
  readonly title: string;
  /** The same in every dump of the same database, and unique: what was created is remembered by it. */
  readonly key: string;
  /** `catalog/oid` of the object at the source, such as `1259/16402`; `0/0` for what has none (an ACL, a comment, an ATTACH). */
  readonly object: string;
}

/** A line ends at `\n` and nowhere else: names may hold U+2028 and the like, which `.` and `$` of a regular expression take for one. */
const LINE = /^(\d+); (\d+) (\d+) ([^]+)$/;
const NO_OBJECT = "0/0";

/** A trigger of a fence, which nobody else calls so: its function is in the schema `pghaul`, which never moves. */
export function isOurs(title: string): boolean {
  return title.startsWith("TRIGGER ") && / pghaul_fence_(?:source|target)_[0-9a-z]+ [^ ]/.test(title);
}

/** The entries of `pg_restore --list`, in its order. */
export function parseArchiveList(list: string): readonly ArchiveEntry[] {
  const seen = new Map<string, number>();
  return list.split("\n").flatMap((line) => {
    const match = LINE.exec(line);
    if (match === null) return [];
    const [, number, catalog, oid, title] = match as unknown as [string, string, string, string, string];
    const object = `${catalog}/${oid}`;
    // Its kind too: SEQUENCE and SEQUENCE OWNED BY are of one object.
    const base = object === NO_OBJECT ? title : `${object} ${title.slice(0, title.indexOf(" "))}`;
    const count = (seen.get(base) ?? 0) + 1;
    seen.set(base, count);
    return [{ number, title, key: count === 1 ? base : `${base} #${count}`, object }];
  });
}
