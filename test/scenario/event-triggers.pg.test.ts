/**
 * Event triggers at the target that fire whatever the role of our sessions (ENABLE ALWAYS): one that forbids what we do, and one that writes into a
 * moved table. Nobody but their owner can say whether they may be off; they are named before, and what they do is not passed over.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertEqualDatabases } from "../support/compare.ts";
import { query } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SQL = `create table items (id int primary key, n int); create index items_n on items (n);
  create table audit (id int primary key, what text);
  insert into items select i, i from generate_series(1, 50) i; insert into audit values (1, 'ours'); analyze`;

describe("event triggers of the target that fire for us", { timeout: deadline(240_000) }, () => {
  let pair: Pair;
  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15 });
  });
  after(() => pair[Symbol.asyncDispose]());

  async function moveWith(body: string): Promise<Move> {
    const move = await newMove(pair, { sql: SQL });
    await query(
      move.targetDb,
      `create schema ops; create function ops.heard() returns event_trigger language plpgsql as $$begin ${body} end$$;
       create event trigger heard on ddl_command_end when tag in ('CREATE INDEX') execute function ops.heard(); alter event trigger heard enable always`,
    );
    const checked = await move.run(["check"]);
    assert.match(checked.stdout, /target-event-triggers.*heard \(ddl_command_end\) of CREATE INDEX calling ops\.heard/);
    assert.match(checked.stdout, /alter event trigger heard enable;/);
    return move;
  }

  it("one that forbids ends the run with its own words; once it is off, the next goes on", async () => {
    const move = await moveWith("raise exception 'no DDL before Monday';");
    const refused = await move.run(["run", "--until", "verified"]);
    assert.equal(refused.code, 21, refused.stderr);
    assert.match(refused.stderr, /"INDEX public items_n \w+" could not be created: no DDL before Monday/);
    await query(move.targetDb, "alter event trigger heard enable");
    const ended = await move.run(["run", "--until", "verified"]);
    assert.equal(ended.code, 0, ended.stderr);
    await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  });

  it("one that writes into a moved table makes that table different, and the verification says so", async () => {
    const move = await moveWith("insert into public.audit values (2, 'theirs');");
    const ended = await move.run(["run", "--until", "verified"]);
    assert.equal(ended.code, 12, ended.stderr);
    const { tables } = (await move.run(["status", "--json"])).json().result;
    assert.deepEqual(tables.map(({ table, verified }: { table: string; verified: { equal: boolean } }) => [table, verified.equal]).sort(), [
      ["public.audit", false],
      ["public.items", true],
    ]);
  });
});
