import type { Filled, GeneratedColumn, NamedStatement, TableFacts } from "../../../conditions/table-facts.ts";
import type { SideName } from "../../../model/side.ts";
import type { Table } from "../../../model/table.ts";
import { qualifiedName, quoteLiteral } from "../../../postgres/quote.ts";
import type { Ask } from "../catalog/ask.ts";
import { emptying } from "../catalog/emptying.ts";
import { readReach } from "../catalog/table-reach.ts";
import { countIndexes } from "./indexes.ts";
import { findMisencoded } from "./misencoded.ts";
import { GIVEN, namesOf, namesOfAll } from "./names-of.ts";
import { readPartitions } from "./partitions.ts";
import { readRefusedUpdates } from "./refused-updates.ts";
import { readSequenceFacts } from "./sequences.ts";

export function tableFacts(side: SideName, ask: Ask): TableFacts {
  return {
    existing: (tables) => readExisting(ask, tables),
    holdingRows: (tables) => readHoldingRows(side, ask, tables),
    emptying: (holders, moved) => emptying(ask, holders, moved),
    refusedUpdates: (tables) => readRefusedUpdates(ask, tables),
    indexes: (tables) => countIndexes(ask, tables),
    sequences: () => readSequenceFacts(ask),
    partitions: (tables) => readPartitions(ask, tables),
    deferrableKeys: (tables) => readNames(ask, DEFERRABLE_KEYS, tables),
    mixedOrderKeys: (tables) => readNames(ask, MIXED_ORDER_KEYS, tables),
    nullsNotDistinct: (tables) => readNames(ask, NULLS_NOT_DISTINCT, tables),
    generatedColumns: (tables) => readGeneratedColumns(ask, tables),
    unselectedChildren: (tables) => readNames(ask, UNSELECTED_CHILDREN, tables),
    pendingDetaches: (tables) => ask<NamedStatement>(PENDING_DETACHES, namesOf(tables)),
    insistent: async (tables) => [
      ...(await ask<NamedStatement>(INSISTENT_TRIGGERS, namesOfAll(tables))),
      ...(await ask<NamedStatement>(INSISTENT_RULES, namesOfAll(tables))),
    ],
    largeObjects: () => countLargeObjects(ask),
    staleCollations: (tables) => readNames(ask, STALE_COLLATIONS, tables),
    misencoded: (tables, encoding, millis) => findMisencoded(ask, { tables, encoding, millis }),
  };
}

/** Of tables and partitions. */
async function readNames(ask: Ask, sql: string, tables: readonly Table[]): Promise<readonly string[]> {
  return (await ask<{ name: string }>(sql, namesOfAll(tables))).map(({ name }) => name);
}

async function readExisting(ask: Ask, tables: readonly Table[]): Promise<ReadonlySet<string>> {
  const rows = await ask<{ schema: string; name: string }>(
    `select n.nspname::text as schema, c.relname::text as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = any(${GIVEN})`,
    namesOf(tables),
  );
  return new Set(rows.map(({ schema, name }) => qualifiedName(schema, name)));
}

async function readHoldingRows(side: SideName, ask: Ask, tables: readonly Table[]): Promise<readonly Filled[]> {
  const filled: Filled[] = [];
  for (const table of tables) {
    const { holders } = await readReach(ask, side, table);
    const sql = holders.map((name) => `select ${quoteLiteral(name)} as name where exists (select from ${name})`).join(" union all ");
    const full = holders.length === 0 ? [] : (await ask<{ name: string }>(sql)).map(({ name }) => name);
    if (full.length > 0) filled.push({ table: qualifiedName(table.schema, table.name), holders: full });
  }
  return filled;
}

/** Whatever checks late cannot tell rows apart meanwhile. */
const DEFERRABLE_KEYS = `
  select format('%I on %s', conname, conrelid::regclass) as name from pg_catalog.pg_constraint
   where conrelid = any(${GIVEN}) and contype in ('p', 'u') and condeferrable order by 1`;

/** No walk over such an index gives the order that chunks are read in. */
const MIXED_ORDER_KEYS = `
  select i.indexrelid::regclass::text as name from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
   where i.indrelid = any(${GIVEN}) and case when c.relreplident = 'i' then i.indisreplident else i.indisprimary end
     and (select count(distinct o & 1) from unnest(i.indoption::int2[]) as o) > 1 order by 1`;

/** 15 and later, read through jsonb for the versions that do not have the column. */
const NULLS_NOT_DISTINCT = `
  select format('%s on %s', i.indexrelid::regclass, i.indrelid::regclass) as name from pg_catalog.pg_index i
   where i.indrelid = any(${GIVEN}) and to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' order by 1`;

const UNSELECTED_CHILDREN = `
  select distinct format('%s (inherits from %s)', i.inhrelid::regclass, i.inhparent::regclass) as name
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
   where i.inhparent = any(${GIVEN}) and not c.relispartition and not i.inhrelid = any(${GIVEN}) order by 1`;

/** 14 and later: rows in them are read by nobody. */
const PENDING_DETACHES = `
  select i.inhrelid::regclass::text as name, format('alter table %s detach partition %s finalize', i.inhparent::regclass, i.inhrelid::regclass) as statement
    from pg_catalog.pg_inherits i
   where to_jsonb(i) ->> 'inhdetachpending' = 'true' and i.inhparent = any(${GIVEN}) order by 1`;

/** Our applier works in replica role (manual: "ALTER TABLE", ENABLE ALWAYS and REPLICA TRIGGER). */
const INSISTENT_TRIGGERS = `
  select format('trigger %I on %s', t.tgname, t.tgrelid::regclass) as name, format('alter table %s enable trigger %I', t.tgrelid::regclass, t.tgname) as statement
    from pg_catalog.pg_trigger t
   where t.tgrelid = any(${GIVEN}) and not t.tgisinternal and t.tgenabled in ('A', 'R') and t.tgname not like 'pghaul%' order by 1`;

const INSISTENT_RULES = `
  select format('rule %I on %s', r.rulename, r.ev_class::regclass) as name, format('alter table %s enable rule %I', r.ev_class::regclass, r.rulename) as statement
    from pg_catalog.pg_rewrite r
   where r.ev_class = any(${GIVEN}) and r.ev_enabled in ('A', 'R') order by 1`;

/** Their indexes may be out of order. */
const STALE_COLLATIONS = `
  select distinct format('%s (%s, now %s)', c.oid::regcollation, c.collversion, pg_catalog.pg_collation_actual_version(c.oid)) as name
    from pg_catalog.pg_collation c join pg_catalog.pg_attribute a on a.attcollation = c.oid
   where a.attrelid = any(${GIVEN}) and c.collversion <> pg_catalog.pg_collation_actual_version(c.oid) order by 1`;

async function readGeneratedColumns(ask: Ask, tables: readonly Table[]): Promise<readonly GeneratedColumn[]> {
  const rows = await ask<{ name: string; kind: string }>(
    `select format('%s.%I', a.attrelid::regclass, a.attname) as name, a.attgenerated::text as kind from pg_catalog.pg_attribute a
      where a.attrelid = any(${GIVEN}) and a.attgenerated <> '' and not a.attisdropped order by 1`,
    namesOfAll(tables),
  );
  return rows.map(({ name, kind }) => ({ name, virtual: kind === "v" }));
}

async function countLargeObjects(ask: Ask): Promise<number> {
  const [row] = await ask<{ n: string }>("select count(*)::text as n from pg_catalog.pg_largeobject_metadata");
  return Number(row?.n ?? 0);
}
