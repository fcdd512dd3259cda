/** Opens what is read: what a chunk or a table was planned as, under the name that it bears now. */
import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { qualifiedName, quoteLiteral } from "../../postgres/quote.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import {
  leafByLeaf,
  leafIdsSql,
  type QualifiedName,
  type TableReach,
  throughRoot,
  treeTextSql,
} from "../../side/postgres/catalog/partition-tree.ts";
import { isOurs } from "../catalog.ts";
import { selectLeaves } from "../queries/catalog-queries.ts";
import { endSnapshot, type SnapshotRequest, selectPartName, selectTreeText } from "../queries/read-queries.ts";
import { type OpenSnapshot, openSnapshot } from "./open-snapshot.ts";

const UNDEFINED_TABLE = "42P01";
/** Each costs a change of names between two statements. */
const ATTEMPTS = 30;

export interface OpenRequest extends Pick<SnapshotRequest, "label" | "settings"> {
  readonly side: SideName;
  readonly client: pg.Client;
  readonly signal: AbortSignal;
}

/** One leaf (`TableLeaf.id`) under lock and snapshot, with its name; null when it is no part of the table. */
export async function openLeaf(
  { client, side, signal, label, settings }: OpenRequest,
  table: Table,
  leaf: string,
): Promise<(OpenSnapshot & { readonly leaf: QualifiedName }) | null> {
  let name = table.leaves.find(({ id }) => id === leaf) ?? (await selectPartName(client, table.oid, leaf));
  for (let attempt = 1; name !== null; attempt += 1) {
    const lock = `only ${qualifiedName(name.schema, name.name)}`;
    const opened = await unlessGone(client, openSnapshot(client, { side, lock, check: isNamed(table, name), label, settings }, signal));
    if (opened?.checked === leaf) return { ...opened, leaf: name };
    await endSnapshot(client);
    if (attempt === ATTEMPTS) throw unsettled(table, side);
    name = await selectPartName(client, table.oid, leaf);
  }
  return null;
}

/** All rows of a table under lock and snapshot, with what FROM takes for them. Throws *_QUERY when the table is gone. */
export async function openTable(
  { client, side, signal, label, settings }: OpenRequest,
  table: Table,
): Promise<OpenSnapshot & { readonly reach: TableReach }> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const name = attempt === 1 ? table : await selectPartName(client, table.oid, String(table.oid));
    if (name === null) throw gone(table, side);
    const { reach, check, wanted } = await reachOf(client, table, name);
    const opened = await unlessGone(client, openSnapshot(client, { side, lock: reach.lock, check, label, settings }, signal));
    if (opened?.checked === wanted) return { ...opened, reach };
    await endSnapshot(client);
  }
  throw unsettled(table, side);
}

interface Reach {
  readonly reach: TableReach;
  readonly check: string;
  /** What `check` yields where it is the table that was meant. */
  readonly wanted: string;
}

async function reachOf(client: pg.Client, table: Table, name: QualifiedName): Promise<Reach> {
  const named = isNamed(table, name);
  const itself = { reach: throughRoot(name, table.partitioned), check: named, wanted: String(table.oid) };
  if (!table.partitioned) return itself;
  const tree = await selectTreeText(client, table.oid);
  const leaves = await selectLeaves(client, [String(table.oid)], false);
  if (leaves.every(isOurs)) return itself;
  const columns = table.columns.map((column) => column.name);
  return {
    reach: leafByLeaf(name, leaves.filter(isOurs), columns),
    check: `concat_ws(' ', ${named}, ${treeTextSql(table.oid)})`,
    wanted: `${table.oid} ${tree}`,
  };
}

function isNamed({ oid }: Table, { schema, name }: QualifiedName): string {
  return leafIdsSql(oid, `n.nspname = ${quoteLiteral(schema)} and c.relname = ${quoteLiteral(name)}`);
}

async function unlessGone(client: pg.Client, opening: Promise<OpenSnapshot>): Promise<OpenSnapshot | null> {
  try {
    return await opening;
  } catch (error) {
    if (sqlState(error) !== UNDEFINED_TABLE) throw error;
    await endSnapshot(client);
    return null;
  }
}

function gone({ id }: Table, side: SideName): PghaulError {
  return new PghaulError(sideCode(side, "QUERY"), `${id} was dropped at the ${side}`, { context: { table: id } });
}

function unsettled({ id }: Table, side: SideName): PghaulError {
  return new PghaulError(
    sideCode(side, "QUERY"),
    `the name or the partitions of ${id} changed during each of ${ATTEMPTS} attempts to read it`,
    {
      context: { table: id },
      suggestion: "pghaul run",
    },
  );
}
