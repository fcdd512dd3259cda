/**
 * What happened between two footprints that the stream does not carry, a finding each. Nothing is judged harmless that cannot be shown to be:
 * who compares the table afterwards knows.
 */

import { shellWord } from "../../model/shell-word.ts";
import { type Table, tableId } from "../../model/table.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import type { Footprint, LeafFootprint, TableFootprint } from "./footprint.ts";

export type ChangeCode =
  | "PARTITION_NEW"
  | "PARTITION_ATTACHED"
  | "PARTITION_GONE"
  | "PARTITION_REWRITTEN"
  | "PARTITION_NOT_LOGGED"
  | "TABLE_REWRITTEN"
  | "TABLE_COLUMNS"
  | "TYPE_CHANGED"
  | "EXPRESSION_CHANGED"
  | "TABLE_DROPPED"
  | "IDENTITY_LOST"
  | "PUBLICATION_CHANGED";

export interface SourceChange {
  readonly code: ChangeCode;
  /** Id of the table as planned. */
  readonly table: string;
  /** Names and figures, never values. */
  readonly message: string;
  /** The statement or command that fixes it. */
  readonly fix: string | null;
  /** Rows may differ from now on: a verdict from before says nothing any more. */
  readonly doubtful: boolean;
}

/** Questions that footprints leave open. Null: it cannot be told. */
export interface LeafQuestions {
  /** Bytes of the leaf now. */
  bytes(oid: string): Promise<number | null>;
  /** Whether the transaction wrote the first row of the leaf. */
  firstRowOf(leaf: LeafFootprint, xid: string): Promise<boolean | null>;
}

export async function changesBetween(
  before: Footprint,
  after: Footprint,
  tables: readonly Table[],
  ask: LeafQuestions,
): Promise<readonly SourceChange[]> {
  const changes: SourceChange[] = [];
  const optionsTouched = before.publication?.oid !== after.publication?.oid || before.publication?.xmin !== after.publication?.xmin;
  for (const table of tables) {
    const [was, is] = [before.tables[table.id], after.tables[table.id]];
    if (is === undefined) {
      if (was !== undefined) changes.push(dropped(table));
      continue;
    }
    if (was !== undefined) changes.push(...tableChanges(table, was, is, optionsTouched));
    changes.push(...condensed(await leafChanges(table, was, is, ask)));
  }
  return changes;
}

const NAMED = 3;

/** Of many alike (TRUNCATE of a table with a thousand partitions) the first few, and how many more there are. */
function condensed(changes: readonly SourceChange[]): SourceChange[] {
  return [...Map.groupBy(changes, ({ code }) => code).values()].flatMap((alike) => {
    const shown = alike.slice(0, NAMED);
    const last = shown.at(-1);
    if (last === undefined || alike.length <= NAMED) return shown;
    return [...shown.slice(0, -1), { ...last, message: `${last.message}; and ${alike.length - NAMED} more like it` }];
  });
}

function dropped({ id }: Table): SourceChange {
  const message = `${id} was dropped at the source (another table of that name would not stream); the target still has it`;
  const fix = "pghaul cdc teardown; then name it under tables.exclude, with an empty target and another state directory; then pghaul run";
  return { code: "TABLE_DROPPED", table: id, message, fix, doubtful: true };
}

function tableChanges({ id }: Table, was: TableFootprint, is: TableFootprint, optionsTouched: boolean): SourceChange[] {
  const changes: SourceChange[] = [];
  const verify = `pghaul verify run --table ${shellWord(id)}`;
  if (is.published !== null && (was.published !== is.published || optionsTouched)) {
    changes.push({
      code: "PUBLICATION_CHANGED",
      table: id,
      message: `somebody altered the publication: changes of ${id} may not have streamed for a while`,
      fix: verify,
      doubtful: true,
    });
  }
  if (was.columns !== is.columns) {
    const message = `columns of ${id} were changed at the source: until the target has followed, values that do not fit there are rounded or stop the stream`;
    changes.push({ code: "TABLE_COLUMNS", table: id, message, fix: `make the same change at the target; then: ${verify}`, doubtful: true });
  } else if (was.touched !== is.touched && Object.entries(is.leaves).some(([oid, { node }]) => (was.leaves[oid]?.node ?? node) !== node)) {
    const message = `ALTER TABLE wrote ${id} anew at the source: values that it computed for old rows do not stream`;
    changes.push({ code: "TABLE_REWRITTEN", table: id, message, fix: verify, doubtful: true });
  }
  if (was.generated !== undefined && was.generated !== is.generated) {
    const message = `generated columns of ${id} were added, dropped or given another expression at the source: the target computes them as before`;
    changes.push({
      code: "EXPRESSION_CHANGED",
      table: id,
      message,
      fix: `make the same change at the target; then: ${verify}`,
      doubtful: true,
    });
  }
  if (was.types !== is.types) {
    const message = `ALTER TYPE changed a type of ${id} at the source (labels of an enum, attributes of a composite type): the target has the old one`;
    changes.push({ code: "TYPE_CHANGED", table: id, message, fix: `make the same change at the target; then: ${verify}`, doubtful: true });
  }
  return changes;
}

async function leafChanges(
  table: Table,
  was: TableFootprint | undefined,
  is: TableFootprint,
  ask: LeafQuestions,
): Promise<readonly SourceChange[]> {
  const changes: SourceChange[] = [];
  const knownLinks = new Set(Object.values(was?.leaves ?? {}).flatMap(({ attached }) => attached?.split(".") ?? []));
  // Of a thousand only the first are shown, and each question is a round trip.
  let asked = 0;
  for (const [oid, leaf] of Object.entries(is.leaves)) {
    const earlier = was?.leaves[oid];
    if (was !== undefined && earlier?.attached !== leaf.attached) changes.push(await arrived(table, { oid, leaf, known: knownLinks }, ask));
    else if (earlier !== undefined && earlier.node !== leaf.node && leaf.attached !== null) {
      changes.push(rewritten(table, leaf, asked < NAMED ? await ask.bytes(oid) : null));
      asked += 1;
    }
    if ((earlier?.persistence ?? "p") !== "u" && (earlier?.kind ?? "r") !== "f" && (leaf.persistence === "u" || leaf.kind === "f")) {
      changes.push(notLogged(table, leaf));
    }
    if ((earlier?.identified ?? true) && !leaf.identified && leaf.kind === "r") changes.push(unidentified(table, leaf));
  }
  for (const [oid, leaf] of Object.entries(was?.leaves ?? {})) if (is.leaves[oid] === undefined) changes.push(left(table, leaf));
  return changes;
}

interface Arrival {
  readonly oid: string;
  readonly leaf: LeafFootprint;
  /** Links that were there before. */
  readonly known: ReadonlySet<string>;
}

/**
 * Empty, or made by the transaction that attached it and not written to by it: then every row of it was inserted by way of the stream. Rows
 * may also have come while a partition above it was still to be attached.
 */
async function arrived(table: Table, { oid, leaf, known }: Arrival, ask: LeafQuestions): Promise<SourceChange> {
  const bytes = await ask.bytes(oid);
  const links = leaf.attached?.split(".") ?? [];
  const own = links.pop();
  const born = leaf.born && own !== undefined && links.every((link) => link === own || known.has(link));
  const wasEmpty = bytes === 0 || (born && (await ask.firstRowOf(leaf, own)) === false);
  const name = tableId(leaf);
  if (wasEmpty) {
    const message = `${name} is a new partition of ${table.id} at the source; the target needs it before the first row comes`;
    return { code: "PARTITION_NEW", table: table.id, message, fix: null, doubtful: false };
  }
  const message = `${name} became a partition of ${table.id} at the source, and rows that it held before do not stream`;
  const fix = `pghaul verify diff --table ${shellWord(table.id)}   # then insert what is missing at the target`;
  return { code: "PARTITION_ATTACHED", table: table.id, message, fix, doubtful: true };
}

function left(table: Table, leaf: LeafFootprint): SourceChange {
  const [root, name] = [qualifiedName(table.schema, table.name), qualifiedName(leaf.schema, leaf.name)];
  return {
    code: "PARTITION_GONE",
    table: table.id,
    message: `${tableId(leaf)} is no partition of ${table.id} any more at the source (DETACH or DROP); the target still has its rows`,
    fix: `alter table ${root} detach partition ${name};   -- AT THE TARGET, once the stream has caught up (or drop table ${name}); then: pghaul verify run --table ${shellWord(table.id)}`,
    doubtful: true,
  };
}

/** Only the stream of its own leaf would tell a TRUNCATE from what keeps the rows, and that is not published. */
function rewritten(table: Table, leaf: LeafFootprint, bytes: number | null): SourceChange {
  const name = qualifiedName(leaf.schema, leaf.name);
  const held = bytes === null ? "" : `, and holds ${bytes} bytes now`;
  return {
    code: "PARTITION_REWRITTEN",
    table: table.id,
    message: `${tableId(leaf)}, a partition of ${table.id}, was written anew at the source${held}: TRUNCATE of one partition does not stream (VACUUM FULL, CLUSTER and TRUNCATE of the whole table look the same and do no harm)`,
    fix: `pghaul verify run --table ${shellWord(table.id)}   # different after a TRUNCATE; then, AT THE TARGET: truncate ${name};`,
    doubtful: true,
  };
}

function notLogged(table: Table, leaf: LeafFootprint): SourceChange {
  const foreign = leaf.kind === "f";
  return {
    code: "PARTITION_NOT_LOGGED",
    table: table.id,
    message: `${tableId(leaf)}, a partition of ${table.id}, is ${foreign ? "a foreign table" : "unlogged"} at the source: nothing written to it streams`,
    fix: foreign
      ? null
      : `alter table ${qualifiedName(leaf.schema, leaf.name)} set logged;   -- at the source; then: pghaul verify run --table ${shellWord(table.id)}`,
    doubtful: true,
  };
}

/** A published table without identity refuses UPDATE and DELETE: it is the application that fails (manual: "Publication"). */
function unidentified(table: Table, leaf: LeafFootprint): SourceChange {
  return {
    code: "IDENTITY_LOST",
    table: table.id,
    message: `${tableId(leaf)} has no replica identity any more: the application's UPDATE and DELETE fail at the source`,
    fix: `alter table ${qualifiedName(leaf.schema, leaf.name)} replica identity full;   -- at the source, or give it its key back`,
    doubtful: false,
  };
}
