import { qualifiedName, quoteIdent } from "../../postgres/quote.ts";

/** What the catalog says of how rows of one relation are told apart. Column lists are null where there is no such index. */
export interface IdentityFacts {
  readonly schema: string;
  readonly name: string;
  /** pg_class.relreplident. */
  readonly mode: string;
  readonly primaryKey: readonly string[] | null;
  readonly identityIndex: readonly string[] | null;
  readonly generatedColumns: ReadonlySet<string>;
}

/** `problem` is a sentence without a subject; `fix` a statement to run. */
export type RowIdentity =
  | { readonly kind: "key"; readonly columns: readonly string[] }
  | { readonly kind: "full" }
  | { readonly kind: "none"; readonly problem: string; readonly fix: string };

/**
 * How rows of a table are told apart in the stream and in chunks. The index that REPLICA IDENTITY names decides; with FULL the primary
 * key does, where there is one, because the whole row holds it (manual: "ALTER TABLE", REPLICA IDENTITY).
 *
 * `none` must never be published: the application's own UPDATE and DELETE would fail.
 */
export function rowIdentity(table: IdentityFacts, leaves: readonly IdentityFacts[]): RowIdentity {
  const identity = ownIdentity(table);
  // An UPDATE is checked against, and its old row logged by, the partition it happens in: partitions do not inherit the setting.
  const faults = [identity, ...leaves.map((leaf) => ofLeaf(table, leaf, identity))].filter((one) => one.kind === "none");
  const [first] = faults;
  if (first === undefined) return identity;
  const more = faults.length === 1 ? "" : `; ${faults.length - 1} more of its partitions have a similar fault`;
  return { kind: "none", problem: `${first.problem}${more}`, fix: faults.map(({ fix }) => fix).join(";\n") };
}

/** A whole row as identity does for a leaf whatever the root's is. */
function ofLeaf(table: IdentityFacts, leaf: IdentityFacts, identity: RowIdentity): RowIdentity {
  const own = ownIdentity(leaf);
  if (own.kind === "none" || leaf.mode === "f") return own;
  const wanted = identity.kind === "none" ? identityOnceFixed(table) : identity;
  return wanted.kind === "full" || !sameColumns(wanted, own) ? differs(table, leaf, wanted) : own;
}

/** What the fix for the table makes of it. */
function identityOnceFixed(table: IdentityFacts): RowIdentity {
  const fixed = ownIdentity({ ...table, mode: table.primaryKey === null ? "f" : "d" });
  return fixed.kind === "none" ? { kind: "full" } : fixed;
}

function ownIdentity(table: IdentityFacts): RowIdentity {
  const relation = qualifiedName(table.schema, table.name);
  const columns = table.mode === "i" ? table.identityIndex : table.mode === "n" ? null : table.primaryKey;
  if (columns === null) {
    if (table.mode === "f") return { kind: "full" };
    const fix =
      table.primaryKey === null ? `alter table ${relation} replica identity full` : `alter table ${relation} replica identity default`;
    return { kind: "none", problem: `has ${noIdentity(table)}, so publishing it would make UPDATE and DELETE fail`, fix };
  }
  const generated = columns.filter((column) => table.generatedColumns.has(column));
  if (generated.length === 0) return { kind: "key", columns };
  if (table.mode === "f") return { kind: "full" };
  return {
    kind: "none",
    problem: `has the generated column ${generated.map(quoteIdent).join(", ")} in its key, which the stream does not carry`,
    fix: `alter table ${relation} replica identity full`,
  };
}

function noIdentity(table: IdentityFacts): string {
  if (table.mode === "n") return "REPLICA IDENTITY NOTHING";
  if (table.mode === "i") return "REPLICA IDENTITY USING INDEX, and the index is gone";
  return "no primary key that is valid and not deferrable";
}

function sameColumns(one: RowIdentity, other: RowIdentity): boolean {
  if (one.kind !== "key" || other.kind !== "key") return false;
  return one.columns.length === other.columns.length && one.columns.every((column) => other.columns.includes(column));
}

function differs(table: IdentityFacts, leaf: IdentityFacts, identity: RowIdentity): RowIdentity {
  const relation = qualifiedName(leaf.schema, leaf.name);
  const wanted = identity.kind === "full" ? "full" : "its key";
  return {
    kind: "none",
    problem: `is partitioned, and its partition ${relation} has a different replica identity than ${qualifiedName(table.schema, table.name)} (${wanted})`,
    fix: `alter table ${relation} replica identity full`,
  };
}
