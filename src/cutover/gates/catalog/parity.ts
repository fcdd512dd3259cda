import { tableId } from "../../../model/table.ts";
import { type Gate, type GateContext, type GateSide, tableNames } from "../../gate.ts";

/** Settings whose difference changes what queries answer or how long they take; only shown. */
const COMPARED_SETTINGS = [
  "TimeZone",
  "default_transaction_isolation",
  "max_connections",
  "random_page_cost",
  "search_path",
  "server_version",
  "work_mem",
];

/** The tables are still those that stream, the target has them with as many usable indexes; extensions and settings side by side. */
export const parityGate: Gate = {
  id: "parity",
  title: "the tables are those that stream, with their indexes at the target",
  forwardOnly: true,
  async ask(context) {
    const drift = await context.facts.drift();
    const lacking = await lackingIndexes(context);
    const extensions = await lackingExtensions(context);
    const open = drift.length === 0 && lacking.length === 0 && extensions.length === 0;
    return {
      open,
      evidence: {
        drift: drift.slice(0, 5),
        fewerIndexes: lacking.slice(0, 5),
        missingExtensions: extensions,
        settingsThatDiffer: await differingSettings(context),
      },
      ...(drift.length > 0
        ? { fix: "a table changed at the source after the plan: make the same change at the target, then reload it" }
        : {}),
    };
  },
};

const INDEXES = `
  select r.schema, r.name, count(i.indexrelid) filter (where i.indisvalid and i.indisready)::text as indexes
    from unnest($1::text[], $2::text[]) as r(schema, name)
    left join pg_catalog.pg_namespace n on n.nspname = r.schema
    left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
    left join pg_catalog.pg_index i on i.indrelid = c.oid
   group by r.schema, r.name`;

async function lackingIndexes({ from, to, tables }: GateContext): Promise<readonly string[]> {
  const counted = async (side: GateSide): Promise<ReadonlyMap<string, number>> => {
    const rows = await side.query<{ schema: string; name: string; indexes: string }>(INDEXES, tableNames(tables));
    return new Map(rows.map((row) => [tableId(row), Number(row.indexes)]));
  };
  const [here, there] = [await counted(to), await counted(from)];
  return [...there].filter(([table, indexes]) => (here.get(table) ?? 0) < indexes).map(([table]) => table);
}

async function lackingExtensions({ from, to }: GateContext): Promise<readonly string[]> {
  const sql = "select extname::text as name from pg_catalog.pg_extension";
  const here = new Set((await to.query<{ name: string }>(sql)).map(({ name }) => name));
  return (await from.query<{ name: string }>(sql)).map(({ name }) => name).filter((name) => !here.has(name));
}

async function differingSettings({ from, to }: GateContext): Promise<readonly string[]> {
  // The session's own settings are ours; what counts is what an application's session starts with.
  const sql = "select name::text, reset_val::text as value from pg_catalog.pg_settings where name = any($1::text[])";
  const here = new Map((await to.query<{ name: string; value: string }>(sql, [COMPARED_SETTINGS])).map(({ name, value }) => [name, value]));
  const there = await from.query<{ name: string; value: string }>(sql, [COMPARED_SETTINGS]);
  return there.filter(({ name, value }) => here.get(name) !== value).map(({ name, value }) => `${name}: ${value} / ${here.get(name)}`);
}
