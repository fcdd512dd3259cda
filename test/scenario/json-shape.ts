/** What a JSON document promises to who reads it with a program: its keys and the kinds of their values, as sorted lines `path: kind`. */

/** `a.b[].c: null | number`. */
export type Shape = ReadonlyMap<string, ReadonlySet<string>>;

/** `evidence` differs with the gate, the step and the moment: it is for people and for the record, and nothing in it is promised. */
const OPAQUE = /\.evidence$/;

export function shapeOf(document: unknown): Shape {
  const shape = new Map<string, Set<string>>();
  const visit = (value: unknown, path: string): void => {
    const kinds = shape.get(path) ?? new Set();
    shape.set(path, kinds.add(kindOf(value)));
    if (OPAQUE.test(path)) return;
    if (Array.isArray(value)) for (const item of value) visit(item, `${path}[]`);
    else if (value !== null && typeof value === "object") for (const [key, item] of Object.entries(value)) visit(item, `${path}.${key}`);
  };
  visit(document, "");
  return shape;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

export function joinShapes(one: Shape, other: Shape): Shape {
  return new Map(
    [...new Set([...one.keys(), ...other.keys()])].map((path) => [path, new Set([...kindsAt(one, path), ...kindsAt(other, path)])]),
  );
}

/**
 * What `seen` breaks of what was `promised`: keys or kinds that are new, and keys that are gone though what holds them is there. A value that
 * depends on the moment (a lag that is not known yet) may be any of its promised kinds.
 */
export function brokenPromises(promised: Shape, seen: Shape): string[] {
  const added = [...seen].flatMap(([path, kinds]) =>
    [...kinds].filter((kind) => !kindsAt(promised, path).has(kind)).map((kind) => `not promised: ${path || "."} is ${kind}`),
  );
  const gone = [...promised.keys()].filter((path) => !seen.has(path) && path.includes(".") && holdsKeys(seen, parentOf(path)));
  return [...added, ...gone.map((path) => `promised and not there: ${path}`)];
}

/** Something with keys was seen there; of what is empty or null nothing can be missing. */
function holdsKeys(seen: Shape, path: string): boolean {
  return kindsAt(seen, path).has("object");
}

function parentOf(path: string): string {
  return path.endsWith("[]") ? path.slice(0, -2) : path.slice(0, path.lastIndexOf("."));
}

function kindsAt(shape: Shape, path: string): ReadonlySet<string> {
  return shape.get(path) ?? new Set();
}

export function printShape(shape: Shape): string {
  return [...shape]
    .map(([path, kinds]) => `${path || "."}: ${[...kinds].sort().join(" | ")}`)
    .sort()
    .join("\n");
}

export function parseShape(text: string): Shape {
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const at = line.lastIndexOf(": ");
        const path = line.slice(0, at);
        return [path === "." ? "" : path, new Set(line.slice(at + 2).split(" | "))];
      }),
  );
}
