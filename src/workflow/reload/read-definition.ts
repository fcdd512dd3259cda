import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import { insertLsn } from "../../side/postgres/wal.ts";
import { readCatalog } from "../../source/catalog.ts";
import type { TargetSide } from "../../target/kind.ts";
import type { Migration } from "../open-migration.ts";
import type { Definition } from "./watch-reloads.ts";

/**
 * A held table as the source has it now; nothing has looked at it since it was held. Throws SCHEMA_DRIFT, with the statements for the target,
 * where the target's table does not fit it, SOURCE_NO_IDENTITY, and TABLE_RENAMED where another stands under its name.
 */
export async function readDefinition(migration: Pick<Migration, "config" | "session" | "target">, before: Table): Promise<Definition> {
  const { table, at } = await migration.session("source", `define ${before.id}`, async (client) => ({
    table: await tableAsItIs(client, migration.config.tables, before),
    at: await insertLsn(client),
  }));
  await requireFollowed(migration.target, table);
  return { table, redefined: !sameShape(table, before), at };
}

async function tableAsItIs(client: pg.Client, selection: Migration["config"]["tables"], before: Table): Promise<Table> {
  const { tables, leftOut } = await readCatalog(client, selection);
  const table = tables.find(({ oid }) => oid === before.oid);
  if (table?.id === before.id) return table;
  const left = leftOut.find(({ id }) => id === before.id);
  const context = { table: before.id };
  if (left !== undefined) {
    throw new PghaulError("SOURCE_NO_IDENTITY", left.detail, {
      context,
      ...(left.fix === null ? {} : { suggestion: `${left.fix};   -- at the source` }),
    });
  }
  const now = table === undefined ? "no longer exists, or another table has taken its name" : `is now called ${table.id}`;
  throw new PghaulError("TABLE_RENAMED", `the table that was ${before.id} at the source ${now}`, { context });
}

async function requireFollowed(target: TargetSide, table: Table): Promise<void> {
  // What is described as it is loaded fits by itself.
  if (target.capabilities.schema === "described") return;
  const differences = await target.differences([table]);
  if (differences.length === 0) return;
  const { statements, remark } = await target.statementsToFollow(table);
  throw new PghaulError("SCHEMA_DRIFT", `the target's table does not fit the source's: ${differences.join("; ")}`, {
    context: { table: table.id },
    ...(statements.length === 0 ? {} : { suggestion: `${statements.join(" ")}   -- ${remark}` }),
  });
}

/** What a stream and a load depend on; partitions are looked up when the table is loaded. */
export function sameShape(one: Table, other: Table): boolean {
  const shapeOf = ({ columns, key }: Table): string => JSON.stringify([columns, key]);
  return shapeOf(one) === shapeOf(other);
}
