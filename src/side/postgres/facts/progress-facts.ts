import type { Claim, ProgressFacts } from "../../../conditions/progress-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { readBehind } from "./positions.ts";

export function progressFacts(ask: Ask): ProgressFacts {
  return {
    behind: (migration, stream, upTo) => readBehind(ask, { migration, stream }, upTo),
    otherClaims: (own, tables) => readOtherClaims(ask, own, tables),
    ownTables: (migration) => readOwnTables(ask, migration),
    hasBegunSchema: (migration) => readHasBegunSchema(ask, migration),
  };
}

async function readOtherClaims(ask: Ask, own: string, tables: readonly string[]): Promise<readonly Claim[]> {
  const readable = await ask(
    `select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'pghaul' and c.relname = 'claim' and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')`,
  );
  if (readable.length === 0) return [];
  return ask<Claim>(
    "select table_id as table, migration from pghaul.claim where migration <> $1 and table_id = any ($2::text[]) order by 1",
    [own, tables],
  );
}

async function readOwnTables(ask: Ask, migration: string): Promise<ReadonlySet<string>> {
  if (!(await isThere(ask, "pghaul.table_progress"))) return new Set();
  const rows = await ask<{ name: string }>("select distinct table_id as name from pghaul.table_progress where migration = $1", [migration]);
  return new Set(rows.map(({ name }) => name));
}

async function readHasBegunSchema(ask: Ask, migration: string): Promise<boolean> {
  if (!(await isThere(ask, "pghaul.restored"))) return false;
  return (await ask("select from pghaul.restored where migration = $1 limit 1", [migration])).length > 0;
}

async function isThere(ask: Ask, relation: string): Promise<boolean> {
  const [row] = await ask<{ there: string }>("select (to_regclass($1) is not null)::text as there", [relation]);
  return row?.there === "true";
}
