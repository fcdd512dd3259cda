import type pg from "pg";
import { LONGEST_NAME } from "./special-tables.ts";

const TYPE_CHANGES: readonly string[] = [
  "create temp table copied as select * from types.every_type; update copied set id = id + 1000; insert into types.every_type select * from copied; drop table copied",
  "delete from types.every_type where id in (1001, 1003)",
  "update types.every_type set id = id + 5000 where id = 1002",
  "update types.every_array set id = id + 10 where id = 1; update types.every_array set t_text = t_text where id = 2",
  `insert into ${LONGEST_NAME} values (1)`,
  // Equal to PostgreSQL, other bytes: the key must arrive as the source prints it now.
  "update types.key_numeric set id = 1.1000 where id = 1.1",
  "update types.key_double_precision set id = '0' where id = '-0'",
  "update types.key_interval set id = '720:00:00' where id = '30 days'",
  "update types.equal_but_not_same set id = 'KEY', n = 3 where id = 'key'",
  "begin; delete from types.equal_but_not_same where id = 'KEY'; insert into types.equal_but_not_same values ('kEy', 4); commit",
  "update types.long_keys set id = 'short ' || right(id, 5) where v % 2 = 0; update types.long_keys set v = v + 100",
  "update types.generated set a = coalesce(a, 0) + 1; delete from types.generated where id = 2; insert into types.generated (id, a) values (4, 0.5)",
  "insert into types.identity_always (v) values ('three'); update types.identity_always set v = 'changed' where v = 'one'",
  "update types.identity_always set id = default where v = 'two'",
  "insert into types.identity_by_default (v) values ('two'); update types.identity_by_default set id = -8 where id = -7",
  "update types.altered set kept = null where id = 1; insert into types.altered values (3, '', 9); update types.altered set id = 4 where id = 2",
  "update types.key_not_first set second = 3 where v = 'a'; delete from types.key_not_first where v = ''",
  "update types.key_with_include set v = 'changed', id = 2",
  "update types.only_nulls set a = '' where id = 1; update types.only_nulls set id = 3 where id = 2",
  "update types.only_a_key set id = id + 10; delete from types.only_a_key where id = 11",
  "update types.parent set v = v || '!'; delete from only types.parent where id = 1",
  `update types."select" set "from" = 2, "A" = null`,
  "update types.wide set c1 = 2 where id = 1; delete from types.wide where id = 2",
  // Columns that the log leaves out, 50 MB of them if the test asked for that; then the same with another key.
  "update types.huge set small = small + 1",
  "update types.huge set id = id + 100 where id = 1",
  "update types.huge set body = 'short' where id = 2",
  "insert into types.with_serial (v) values ('c'); update types.with_serial set id = id + 100",
];

/**
 * Changes what `createTypesSchema` made, so that every type and every difficult shape goes through the log
 * too. May be run once.
 */
export async function changeTypes(client: pg.ClientBase): Promise<void> {
  for (const statement of TYPE_CHANGES) await client.query(statement);
  const { rows } = await client.query(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
      where schemaname = 'types' and starts_with(tablename, 'key_') and tablename not in ('key_not_first', 'key_with_include') order by 1`,
  );
  for (const { name } of rows as { name: string }[]) {
    await client.query(`update ${name} set n = n + 100 where n % 3 = 0`);
    await client.query(`delete from ${name} where n % 3 = 1`);
    await client.query(
      `begin; create temp table again on commit drop as select * from ${name}; delete from ${name}; insert into ${name} select * from again; commit`,
    );
  }
}
