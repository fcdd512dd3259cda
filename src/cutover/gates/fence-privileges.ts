import { type Gate, tableNames } from "../gate.ts";

/** At both sides the role may lock the tables and put triggers on them, which needs ownership. */
export const fencePrivilegesGate: Gate = {
  id: "fence-privileges",
  title: "the role may fence the tables at both sides",
  async ask({ from, to, tables }) {
    const evidence: Record<string, unknown> = {};
    const fixes: string[] = [];
    for (const side of [from, to]) {
      const rows = await side.query<{ table: string; owner: string }>(
        `select format('%I.%I', n.nspname, c.relname) as table, pg_get_userbyid(c.relowner)::text as owner
           from unnest($1::text[], $2::text[]) as r(schema, name)
           join pg_catalog.pg_namespace n on n.nspname = r.schema
           join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name
          where not pg_has_role(current_user, c.relowner, 'usage') order by 1`,
        tableNames(tables),
      );
      const owners = [...new Set(rows.map(({ owner }) => owner))];
      evidence[side.name] = {
        notOwned: rows.length,
        tables: rows.slice(0, 5).map(({ table }) => table),
        impatient: await maySetDeadlockTimeout(side),
      };
      fixes.push(...owners.map((owner) => `grant "${owner}" to "${side.role}";   -- at the ${side.name}`));
    }
    return { open: fixes.length === 0, evidence, ...(fixes.length === 0 ? {} : { fix: fixes.join("\n") }) };
  },
};

/** Only shown: without it an autovacuum gives way after a second instead of 10 ms (15 and later: GRANT SET ON PARAMETER deadlock_timeout). */
async function maySetDeadlockTimeout(side: { query<Row extends object>(sql: string): Promise<readonly Row[]> }): Promise<boolean> {
  try {
    await side.query("select set_config('deadlock_timeout', current_setting('deadlock_timeout'), true)");
    return true;
  } catch {
    return false;
  }
}
