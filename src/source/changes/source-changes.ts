/**
 * What happened between two footprints that the stream does not carry, a finding each. Nothing is judged harmless that cannot be shown to be:
 * who compares the table afterwards knows.
 */

import { shellWord } from "../../model/shell-word.ts";
import { otherSide, type SideName } from "../../model/side.ts";
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

/** Two looks at one side, the one that a stream reads; the messages name it, and the other. */
export interface Looks {
  readonly side: SideName;
  readonly before: Footprint;
  readonly after: Footprint;
}

export async function changesBetween(
  { side, before, after }: Looks,
  tables: readonly Table[],
  ask: LeafQuestions,
): Promise<readonly SourceChange[]> {
  const changes: SourceChange[] = [];
  const optionsTouched = before.publication?.oid !== after.publication?.oid || before.publication?.xmin !== after.publication?.xmin;
  for (const table of tables) {
    const [was, is] = [before.tables[table.id], after.tables[table.id]];
    if (is === undefined) {
      if (was !== undefined) changes.push(dropped(table, side));
      continue;
    }
    if (was !== undefined) changes.push(...tableChanges({ table, side }, was, is, optionsTouched));
    changes.push(...condensed(await leafChanges({ table, side }, was, is, ask)));
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
    return [...shown.slice(0, -1), { ...last, message: `${last.message}; and ${alike.length - NAMED} more of this kind` }];
  });
}

/** A table as planned, and the side at which it was looked at. */
interface Looked {
  readonly table: Table;
  readonly side: SideName;
}

function dropped({ id }: Table, side: SideName): SourceChange {
  const message = `${id} was dropped at the ${side} (another table of that name would not stream); the ${otherSide(side)} still has it`;
  // At the target everything is at stake that was written since the switch: there is nothing to begin anew.
  if (side === "target") return { code: "TABLE_DROPPED", table: id, message, fix: null, doubtful: true };
  const fix = "run pghaul cdc teardown; then add it to tables.exclude, with an empty target and another state directory; then pghaul run";
  return { code: "TABLE_DROPPED", table: id, message, fix, doubtful: true };
}

function tableChanges({ table: { id }, side }: Looked, was: TableFootprint, is: TableFootprint, optionsTouched: boolean): SourceChange[] {
  const changes: SourceChange[] = [];
  const other = otherSide(side);
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
    const message = `columns of ${id} were changed at the ${side}: until the ${other} has the same columns, values that do not fit there are rounded or stop the stream`;
    changes.push({
      code: "TABLE_COLUMNS",
      table: id,
      message,
      fix: `make the same change at the ${other}; then: ${verify}`,
      doubtful: true,
    });
  } else if (was.touched !== is.touched && Object.entries(is.leaves).some(([oid, { node }]) => (was.leaves[oid]?.node ?? node) !== node)) {
    const message = `ALTER TABLE rewrote ${id} at the ${side}: the values that it computed for old rows are not streamed`;
    changes.push({ code: "TABLE_REWRITTEN", table: id, message, fix: verify, doubtful: true });
  }
  if (was.generated !== undefined && was.generated !== is.generated) {
    const message = `generated columns of ${id} were added, dropped or given another expression at the source: the target still computes them as before`;
    changes.push({
      code: "EXPRESSION_CHANGED",
      table: id,
      message,
      fix: `make the same change at the target; then: ${verify}`,
      doubtful: true,
    });
  }
  if (was.types !== is.types) {
    const message = `ALTER TYPE changed a type of ${id} at the ${side} (labels of an enum, attributes of a composite type): the ${other} still has the old one`;
    changes.push({
      code: "TYPE_CHANGED",
      table: id,
      message,
      fix: `make the same change at the ${other}; then: ${verify}`,
      doubtful: true,
    });
  }
  return changes;
}

async function leafChanges(
  looked: Looked,
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
    if (was !== undefined && earlier?.attached !== leaf.attached)
      changes.push(await arrived(looked, { oid, leaf, known: knownLinks }, ask));
    else if (earlier !== undefined && earlier.node !== leaf.node && leaf.attached !== null) {
      changes.push(rewritten(looked, leaf, asked < NAMED ? await ask.bytes(oid) : null));
      asked += 1;
    }
    if ((earlier?.persistence ?? "p") !== "u" && (earlier?.kind ?? "r") !== "f" && (leaf.persistence === "u" || leaf.kind === "f")) {
      changes.push(notLogged(looked, leaf));
    }
    if ((earlier?.identified ?? true) && !leaf.identified && leaf.kind === "r") changes.push(unidentified(looked, leaf));
  }
  for (const [oid, leaf] of Object.entries(was?.leaves ?? {})) if (is.leaves[oid] === undefined) changes.push(left(looked, leaf));
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
async function arrived({ table, side }: Looked, { oid, leaf, known }: Arrival, ask: LeafQuestions): Promise<SourceChange> {
  const bytes = await ask.bytes(oid);
  const links = leaf.attached?.split(".") ?? [];
  const own = links.pop();
  const born = leaf.born && own !== undefined && links.every((link) => link === own || known.has(link));
  const wasEmpty = bytes === 0 || (born && (await ask.firstRowOf(leaf, own)) === false);
  const name = tableId(leaf);
  if (wasEmpty) {
    const message = `${name} is a new partition of ${table.id} at the ${side}; the ${otherSide(side)} needs it before the first row comes`;
    return { code: "PARTITION_NEW", table: table.id, message, fix: null, doubtful: false };
  }
  const message = `${name} became a partition of ${table.id} at the ${side}; rows that it held before are not streamed`;
  const fix = `pghaul verify diff --table ${shellWord(table.id)}   # then insert what is missing at the ${otherSide(side)}`;
  return { code: "PARTITION_ATTACHED", table: table.id, message, fix, doubtful: true };
}

function left({ table, side }: Looked, leaf: LeafFootprint): SourceChange {
  const other = otherSide(side);
  const [root, name] = [qualifiedName(table.schema, table.name), qualifiedName(leaf.schema, leaf.name)];
  return {
    code: "PARTITION_GONE",
    table: table.id,
    message: `${tableId(leaf)} is no longer a partition of ${table.id} at the ${side} (DETACH or DROP); the ${other} still has its rows`,
    fix: `alter table ${root} detach partition ${name};   -- AT THE ${other.toUpperCase()}, once the stream has caught up (or drop table ${name}); then: pghaul verify run --table ${shellWord(table.id)}`,
    doubtful: true,
  };
}

/** Only the stream of its own leaf would tell a TRUNCATE from what keeps the rows, and that is not published. */
function rewritten({ table, side }: Looked, leaf: LeafFootprint, bytes: number | null): SourceChange {
  const name = qualifiedName(leaf.schema, leaf.name);
  const held = bytes === null ? "" : `, and holds ${bytes} bytes now`;
  return {
    code: "PARTITION_REWRITTEN",
    table: table.id,
    message: `${tableId(leaf)}, a partition of ${table.id}, was rewritten at the ${side}${held}: TRUNCATE of one partition is not streamed (VACUUM FULL, CLUSTER and TRUNCATE of the whole table look the same and do no harm)`,
    fix: `pghaul verify run --table ${shellWord(table.id)}   # if it differs, because of a TRUNCATE, AT THE ${otherSide(side).toUpperCase()}: truncate ${name};`,
    doubtful: true,
  };
}

function notLogged({ table, side }: Looked, leaf: LeafFootprint): SourceChange {
  const foreign = leaf.kind === "f";
  return {
    code: "PARTITION_NOT_LOGGED",
    table: table.id,
    message: `${tableId(leaf)}, a partition of ${table.id}, is ${foreign ? "a foreign table" : "unlogged"} at the ${side}: writes to it are not streamed`,
    fix: foreign
      ? null
      : `alter table ${qualifiedName(leaf.schema, leaf.name)} set logged;   -- at the ${side}; then: pghaul verify run --table ${shellWord(table.id)}`,
    doubtful: true,
  };
}

/** A published table without identity refuses UPDATE and DELETE: it is the application that fails (manual: "Publication"). */
function unidentified({ table, side }: Looked, leaf: LeafFootprint): SourceChange {
  return {
    code: "IDENTITY_LOST",
    table: table.id,
    message: `${tableId(leaf)} no longer has a replica identity: the application's UPDATE and DELETE fail at the ${side}`,
    fix: `alter table ${qualifiedName(leaf.schema, leaf.name)} replica identity full;   -- at the ${side}; or restore its key`,
    doubtful: false,
  };
}
