import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import type { SideFacts } from "../../src/conditions/side-facts.ts";
import { askGate } from "../../src/cutover/check-gates.ts";
import type { Gate, GateContext, GateResult } from "../../src/cutover/gate.ts";
import { fencePrivilegesGate } from "../../src/cutover/gates/fence-privileges.ts";
import { lagGate } from "../../src/cutover/gates/lag.ts";
import { objectsGate } from "../../src/cutover/gates/objects.ts";
import { parityGate } from "../../src/cutover/gates/parity.ts";
import { privilegesGate } from "../../src/cutover/gates/privileges.ts";
import { sequencesGate } from "../../src/cutover/gates/sequences.ts";
import { slotGate } from "../../src/cutover/gates/slot.ts";
import { subscriptionsGate } from "../../src/cutover/gates/subscriptions.ts";
import { transactionsGate } from "../../src/cutover/gates/transactions.ts";
import { updatesGate } from "../../src/cutover/gates/updates.ts";
import { wayBackGate } from "../../src/cutover/gates/way-back.ts";
import { writableGate } from "../../src/cutover/gates/writable.ts";
import { createProgressSchema } from "../../src/side/postgres/bookkeeping/progress-schema.ts";
import { askOf } from "../../src/side/postgres/catalog/ask.ts";
import { postgresBetween } from "../../src/side/postgres/facts/postgres-between.ts";
import { postgresFacts } from "../../src/side/postgres/facts/postgres-facts.ts";
import { createDatabase } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { context, facts, LIMITS, table } from "./gate-context.ts";

const TABLES = `
  create table t (id serial primary key, v text);
  create index t_v on t (v);
  create table "O'dd" ("Id" int primary key);
  create table left_out (id serial primary key);
  create sequence free_standing;`;

for (const version of [13, 18] as const) {
  describe(`gates on PostgreSQL ${version}`, () => {
    let server: PgServer;
    let source: pg.Client;
    let target: pg.Client;
    before(async () => {
      server = await startServer({ version, settings: { max_prepared_transactions: "5", max_replication_slots: "2" } });
      source = await (await createDatabase(server)).connect();
      target = await (await createDatabase(server)).connect();
      for (const client of [source, target]) await client.query(TABLES);
      await source.query("create role stranger login; grant usage on schema public to stranger");
    });
    after(async () => {
      await Promise.all([source.end(), target.end()]);
      await server[Symbol.asyncDispose]();
    });

    function sides(from: pg.Client = source, to: pg.Client = target): Pick<GateContext, "from" | "to" | "tables"> {
      const side = (name: "source" | "target", client: pg.Client): SideFacts => postgresFacts({ name, role: "stranger" }, askOf(client));
      return { from: side("source", from), to: side("target", to), tables: [table("public.t"), table("public.O'dd")] };
    }

    const ask = (gate: Gate, change: Partial<GateContext> = {}): Promise<GateResult> => askGate(gate, context({ ...sides(), ...change }));

    it("fence-privileges: the owner of each partition counts, not only the root's", async () => {
      await source.query(`create role clerk; create table split (id int primary key) partition by range (id);
        create table split_low partition of split for values from (0) to (10) partition by range (id);
        create table split_lowest partition of split_low for values from (0) to (5);
        alter table split owner to stranger; alter table split_low owner to stranger; alter table split_lowest owner to clerk; set role stranger`);
      await target.query("create table split (id int primary key)");
      try {
        const answer = await ask(fencePrivilegesGate, { tables: [table("public.split")] });
        assert.equal(answer.open, false);
        assert.match(answer.fix ?? "", /^grant clerk to stranger; {3}-- at the source$/);
        assert.match(JSON.stringify(answer.evidence), /public\.split_lowest/);
      } finally {
        await source.query("reset role; drop table split; drop role clerk");
        await target.query("drop table split");
      }
    });

    it("subscriptions: an enabled one over a moved table, found by a role that may not read all of pg_subscription", async () => {
      await source.query("create subscription feed connection 'dbname=nowhere' publication p with (connect = false, slot_name = 'feed')");
      await source.query(
        "insert into pg_subscription_rel select oid, 't'::regclass, 'r', '0/0' from pg_subscription where subname = 'feed'",
      );
      try {
        assert.equal((await ask(subscriptionsGate)).open, true, "it is off");
        await source.query("alter subscription feed enable");
        await source.query("set role stranger");
        const closed = await ask(subscriptionsGate);
        await source.query("reset role");
        assert.deepEqual(closed.evidence, { side: "source", subscriptions: ["feed writes to public.t"] });
        const { from, to } = sides();
        assert.equal((await ask(subscriptionsGate, { from: to, to: from })).open, true, "the new primary may have one");
        await source.query(String(closed.fix));
        assert.equal((await ask(subscriptionsGate)).open, true, "the advice helps");
      } finally {
        await source.query("reset role; alter subscription feed disable; alter subscription feed set (slot_name = none)");
        await source.query("drop subscription feed");
      }
    });

    it("updates: a publication that makes one side refuse UPDATE or DELETE, in a transaction that leaves nothing", async () => {
      assert.equal((await ask(updatesGate)).open, true);
      await target.query("create table bare (v text); create publication bare_p for table bare");
      await source.query("create table bare (v text)");
      try {
        const tables = [table("public.t"), table("public.bare")];
        const closed = await ask(updatesGate, { tables });
        assert.equal(closed.open, false);
        assert.match(JSON.stringify(closed.evidence), /target: \\"public\\"\.\\"bare\\": cannot (update|delete)/);
        const named = await target.query(String(closed.fix).replace(/--.*/, ""));
        assert.deepEqual(named.rows, [{ pubname: "bare_p", tablename: "bare" }]);
        await source.query("create publication bare_p for table bare");
        assert.equal((await ask(updatesGate, { tables })).open, true, "nobody updates what both refuse");
        if (version === 18) {
          await source.query("alter publication bare_p set table t (v)");
          assert.match(JSON.stringify((await ask(updatesGate)).evidence), /source: .*cannot (update|delete)/);
        }
      } finally {
        await Promise.all([source, target].map((client) => client.query("drop publication if exists bare_p; drop table bare")));
      }
    });

    it("transactions: old writers, prepared transactions and maintenance, named; readers do not count", async () => {
      const limits = { ...LIMITS, maxTransactionAge: 100 };
      const other = await server.connect((await source.query("select current_database() as name")).rows[0].name);
      const settle = () => new Promise((resolve) => setTimeout(resolve, 1_100));
      try {
        await other.query("set application_name = 'report'; begin; select * from t");
        await settle();
        assert.equal((await ask(transactionsGate, { limits })).open, true, "a reader is in nobody's way");
        await other.query("insert into t (v) values ('x')");
        const writer = await ask(transactionsGate, { limits });
        assert.equal(writer.open, false);
        assert.match(JSON.stringify(writer.evidence.old), /report/);
        await other.query("prepare transaction 'forgotten'");
        const prepared = await ask(transactionsGate, { limits });
        assert.match(JSON.stringify(prepared.evidence.prepared), /forgotten/);
        await other.query(String(prepared.fix));
        await other.query("begin; lock table t in share update exclusive mode");
        await settle();
        assert.match(JSON.stringify((await ask(transactionsGate)).evidence.maintenance), /ShareUpdateExclusiveLock on t/);
        assert.match((await ask(transactionsGate)).fix ?? "", /^select pg_terminate_backend\(\d+\); {3}-- or wait for it$/);
        await other.query("rollback");
        assert.equal((await ask(transactionsGate, { limits })).open, true);
      } finally {
        await other.end();
      }
    });

    it("slot and way back: there or not, in use or not, and a place for a new one", async () => {
      assert.equal((await ask(slotGate)).open, false);
      await source.query("select pg_create_logical_replication_slot('forward_slot', 'pgoutput')");
      const idle = await ask(slotGate);
      assert.equal(idle.open, false);
      assert.equal(idle.evidence.active, false);
      assert.equal((await ask(wayBackGate)).open, true);
      await source.query("select pg_create_logical_replication_slot('another', 'pgoutput')");
      const full = await ask(wayBackGate);
      assert.equal(full.open, false);
      assert.match(full.fix ?? "", /max_replication_slots/);
      await source.query("select pg_drop_replication_slot('another')");
      await target.query("select pg_create_logical_replication_slot('reverse_slot', 'pgoutput')");
      assert.equal((await ask(wayBackGate)).open, true, "it is there already");
      await source.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots");
    });

    it("writable: read-only by default closes it", async () => {
      assert.equal((await ask(writableGate)).open, true);
      const [{ name }] = (await target.query("select current_database() as name")).rows;
      await target.query(`alter database "${name}" set default_transaction_read_only = on`);
      await target.query(`alter role stranger in database "${name}" set default_transaction_read_only = on`);
      const fresh = await server.connect(name);
      const closed = await ask(writableGate, sides(source, fresh));
      assert.deepEqual(closed.evidence.readOnlyByDefault, ["role stranger", "the database"]);
      for (const statement of String(closed.fix).split("\n")) await fresh.query(statement);
      assert.equal((await ask(writableGate, sides(source, fresh))).open, true, "the advice helps");
      // One that reads only, at both sides.
      await target.query("alter role stranger set default_transaction_read_only = on");
      assert.equal((await ask(writableGate, sides(source, fresh))).open, true);
      await target.query("alter role stranger reset default_transaction_read_only");
      await fresh.end();
    });

    it("fence privileges: ownership at both sides, with the GRANT that mends it", async () => {
      assert.equal((await ask(fencePrivilegesGate)).open, true);
      const [{ name }] = (await source.query("select current_database() as name")).rows;
      const stranger = await server.connect(name, "stranger");
      const refused = await ask(fencePrivilegesGate, sides(stranger));
      assert.equal(refused.open, false);
      assert.match(refused.fix ?? "", /grant postgres to stranger;.*source/);
      await source.query(
        'create role owners; alter table t owner to owners; alter table "O\'dd" owner to owners; grant owners to stranger',
      );
      assert.equal((await ask(fencePrivilegesGate, sides(stranger))).open, true);
      await source.query('alter table t owner to postgres; alter table "O\'dd" owner to postgres; drop role owners');
      await stranger.end();
    });

    it("sequences: read here, set there; those of tables that stay do not count", async () => {
      assert.equal((await ask(sequencesGate)).open, true);
      await target.query("drop table left_out");
      assert.equal((await ask(sequencesGate)).open, true);
      await target.query("drop sequence free_standing");
      assert.deepEqual((await ask(sequencesGate)).evidence.missing, ["public.free_standing"]);
      await target.query("create sequence free_standing");
      const [{ name }] = (await source.query("select current_database() as name")).rows;
      const stranger = await server.connect(name, "stranger");
      const refused = await ask(sequencesGate, sides(stranger));
      assert.match(refused.fix ?? "", /grant select on sequence public.free_standing, public.t_id_seq to "stranger"/);
      await stranger.end();
    });

    it("sequences: one that a partition brought along belongs to the root, and stays behind with it", async () => {
      await source.query(`create table parted (id int, at int) partition by range (at);
        create table brought (id serial, at int); alter table parted attach partition brought for values from (0) to (10)`);
      try {
        assert.equal((await ask(sequencesGate)).open, true, "the table is not moved");
        const both = { ...sides(), tables: [table("public.t"), table("public.parted")] };
        assert.deepEqual((await ask(sequencesGate, both)).evidence.missing, ["public.brought_id_seq"]);
        const found = (await sides().from.sequences()).find(({ name }) => name === "public.brought_id_seq");
        assert.deepEqual([found?.owner, found?.users], [{ schema: "public", name: "parted" }, 1]);
      } finally {
        await source.query("drop table parted");
      }
    });

    it("parity: drift, indexes and extensions", async () => {
      assert.equal((await ask(parityGate)).open, true);
      assert.equal((await ask(parityGate, { facts: facts({ drift: async () => ["public.t has other columns"] }) })).open, false);
      await target.query("drop index t_v");
      assert.deepEqual((await ask(parityGate)).evidence.fewerIndexes, ["public.t"]);
      await target.query("create index t_v on t (v)");
      assert.equal((await ask(parityGate)).open, true);
    });

    it("objects and privileges: what one side has and the other lacks, and the statements that even it out", async () => {
      const between = postgresBetween(askOf(source), askOf(target));
      assert.equal((await ask(objectsGate, { between })).open, true);
      await target.query("grant usage on schema public to stranger");
      assert.equal((await ask(privilegesGate, { between })).open, true);
      await source.query("create view seen as select v from t; grant select on seen to stranger; create view unlike as select 1 as one");
      await target.query("create view unlike as select 2 as one");
      const closed = await ask(objectsGate, { between });
      assert.deepEqual([closed.evidence.first, closed.evidence.firstDiffering], [["view public.seen"], ["view public.unlike"]]);
      assert.equal((await ask(objectsGate, { between, limits: { ...LIMITS, notNeeded: ["view *"] } })).open, true);
      await target.query(String(closed.fix));
      assert.equal((await ask(objectsGate, { between })).open, true, "the advice helps");
      const lacking = await ask(privilegesGate, { between });
      assert.deepEqual(lacking.evidence.first, ["view public.seen lacks a grant"]);
      assert.equal((await ask(privilegesGate, { between, access: { owners: false, privileges: false } })).open, true);
      await target.query(String(lacking.fix));
      assert.equal((await ask(privilegesGate, { between })).open, true, "the advice helps");
      for (const client of [source, target]) await client.query("drop view seen, unlike");
    });

    it("lag of the way back: what is on record against what was written", async () => {
      await createProgressSchema(source, "source");
      const back = (): Pick<GateContext, "from" | "to" | "tables"> => {
        const { from, to, tables } = sides();
        return { from: { ...to, name: "target" }, to: { ...from, name: "source" }, tables };
      };
      assert.equal((await ask(lagGate, back())).open, false, "no position yet");
      await source.query("insert into pghaul.progress (migration, stream, position) values ('m', 'reverse', pg_current_wal_insert_lsn())");
      assert.equal((await ask(lagGate, { ...back(), limits: { ...LIMITS, maxLagBytes: 1_000_000_000 } })).open, true);
      await source.query("update pghaul.progress set position = '0/1', changed_at = now() - interval '1 minute'");
      assert.equal((await ask(lagGate, back())).open, false);
    });
  });
}
