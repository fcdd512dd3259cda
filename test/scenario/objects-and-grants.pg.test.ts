import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { query } from "../support/database.ts";
import { MANY_ORIGINS, type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const SOURCE = `
create table orders (id int primary key, owner text); insert into orders select i, 'x' from generate_series(1, 50) i;
create table payments (id int primary key, note text); alter table orders enable row level security;
create function total() returns bigint language sql as 'select count(*) from public.orders';
grant select, insert on orders to app; grant select on payments to late; grant update (note) on payments to app; alter table payments owner to late;
create policy mine on orders to late using (owner = current_user); create policy all_rows on orders to app using (true);
create publication feed for table orders`;

interface GateView {
  readonly id: string;
  readonly open: boolean;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly fix?: string;
}

describe("objects and grants of a move", () => {
  let pair: Pair;
  let move: Move;
  before(async () => {
    pair = await startPair({ version: 14, settings: MANY_ORIGINS }, { version: 15, settings: MANY_ORIGINS });
    await query(pair.source.url(), "create role app login; create role reader; create role late; create role app_1 login in role app");
    await query(pair.target.url(), "create role app login; create role reader");
    move = await newMove(pair, { sql: SOURCE, config: "cutover: { routing: [ { kind: document, file: route.json } ] }" });
    await query(move.targetDb, "alter default privileges grant select on tables to public");
  });
  after(() => pair?.[Symbol.asyncDispose]());

  const gate = async (id: string): Promise<GateView> => {
    const { stdout, json } = await move.run(["cutover", "check", "--json"]);
    const found = json().result.gates.find((one: GateView) => one.id === id);
    assert.ok(found, stdout);
    return found;
  };
  const paste = async (fix: string | undefined): Promise<unknown> => query(move.targetDb, fix ?? "");

  it("check and plan name the roles that are missing, and the publication", async () => {
    const { code, json } = await move.run(["check", "--json"]);
    assert.equal(code, 10);
    const checks = new Map(json().result.checks.map((one: { id: string }) => [one.id, one])) as Map<
      string,
      { evidence: string; fix: string }
    >;
    assert.match(checks.get("roles")?.evidence ?? "", /app_1, late/);
    assert.match(checks.get("roles")?.fix ?? "", /create role "app_1" login;.*\ncreate role "late";/);
    assert.match(checks.get("publications")?.evidence ?? "", /not moved.*feed/);
    const { notMoved } = (await move.run(["plan", "--json"])).json().result;
    assert.deepEqual(notMoved, [
      {
        object: "publication feed",
        fix: "create publication feed for table only public.orders with (publish = 'insert, update, delete, truncate')",
      },
    ]);
  });

  it("the run does what can be done, and says what cannot", async () => {
    const { code, stderr, stdout } = await move.run(["run", "--until", "caught-up", "--log-format", "json"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout + stderr, /ACCESS_NOT_KEPT.*the target has no role .{1,3}late.*alter table public.payments owner to/);
    const [may] = await query(
      move.targetDb,
      `select has_table_privilege('app', 'orders', 'insert') as app, has_column_privilege('app', 'payments', 'note', 'update') as note,
              has_table_privilege('reader', 'payments', 'select') as given_by_the_target, array(select polname::text from pg_policy) as policies`,
    );
    assert.deepEqual(may, { app: true, note: true, given_by_the_target: false, policies: ["all_rows"] });
  });

  it("the gate is closed until every role may do the same; the next run does it once the roles are there", async () => {
    const closed = await gate("privileges");
    assert.equal(closed.open, false);
    assert.deepEqual(closed.evidence.missingRoles, ["app_1", "late"]);
    assert.deepEqual(closed.evidence.missingMemberships, ["app_1 has the rights of app"]);
    assert.match(JSON.stringify(closed.evidence.first), /table public.payments has another owner.*policy mine on public.orders is missing/);
    await query(move.targetDb, 'create role "app_1" login in role app; create role "late"');
    const { code, stderr } = await move.run(["run", "--until", "caught-up"]);
    assert.equal(code, 0, stderr);
    const open = await gate("privileges");
    assert.equal(open.open, true, JSON.stringify(open));
    await query(
      move.targetDb,
      "revoke insert on orders from app; grant delete on orders to public; alter table payments owner to postgres",
    );
    const again = await gate("privileges");
    assert.equal(again.open, false);
    await paste(again.fix);
    assert.equal((await gate("privileges")).open, true);
  });

  it("what was made while it streams, and the publication, close a gate that prints how to make them", async () => {
    await query(
      move.sourceDb,
      "create view recent as select id from orders; alter table orders add constraint known check (id > 0); create function later() returns int language sql as 'select 1'",
    );
    const closed = await gate("objects");
    assert.equal(closed.open, false);
    assert.deepEqual(closed.evidence.first, [
      "publication feed",
      "view public.recent",
      "table constraint known on public.orders",
      "function public.later()",
    ]);
    await paste(closed.fix);
    assert.equal((await gate("objects")).open, true);
    await query(
      move.targetDb,
      "alter table orders disable row level security; create or replace function total() returns bigint language sql as 'select 0::bigint'",
    );
    const unlike = await gate("objects");
    assert.deepEqual([unlike.open, unlike.evidence.firstDiffering], [false, ["row security public.orders", "function public.total()"]]);
    await paste(unlike.fix);
    assert.equal((await gate("objects")).open, true);
    await query(move.sourceDb, "drop view recent; create view not_wanted as select 1 as one");
    assert.equal((await gate("objects")).open, false);
    move.configure({
      config: 'cutover: { routing: [ { kind: document, file: route.json } ], gates: { notNeeded: [ "view public.not_*" ] } }',
    });
    assert.equal((await gate("objects")).open, true);
  });
});
