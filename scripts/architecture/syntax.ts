/** A node of the ESTree that oxc-parser yields, seen without its hundred types. */
export interface AstNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

/** Every node below (and with) `root`, in source order of the fields. */
export function* children(root: unknown): Generator<AstNode> {
  if (Array.isArray(root)) {
    for (const item of root) yield* children(item);
  } else if (isNode(root)) {
    yield root;
    for (const field of Object.values(root)) if (typeof field === "object") yield* children(field);
  }
}
