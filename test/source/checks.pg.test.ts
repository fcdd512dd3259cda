import assert from "node:assert/strict";
import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { CheckResult } from "../../src/source/checks/check.ts";
import { type CheckRequest, runChecks } from "../../src/source/checks/run-checks.ts";
import { SERVER_CHECKS } from "../../src/source/checks/server-checks.ts";
import { query } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { checkAll, checkRequest } from "./check-request.ts";

const FIT = "create table orders (id bigserial primary key, v text); create table notes (id int primary key)";

/** As the superuser: tables of every awkward kind, and a role that may nothing. */
const UNFIT = `
create role mover login; create role keeper; create role stranger;
create table no_key (v text); create table full_row (v text); alter table full_row replica identity full;
create unlogged table fast (id int primary key);
create foreign data wrapper w; create server s foreign data wrapper w; create foreign table far (id int) server s;
create table late (id int primary key, code int unique deferrable);
create table mixed (a int not null, b int not null); create unique index mixed_key on mixed (a desc, b); alter table mixed replica identity using index mixed_key;
create table nulls (id int primary key, v int unique nulls not distinct);
create table computed (id int primary key, twice int generated always as (id * 2) virtual);
create schema aside; create table parent (id int primary key); create table aside.child (primary key (id)) inherits (parent);
create table root (id int primary key) partition by range (id); create table root_1 partition of root for values from (0) to (9);
update pg_inherits set inhdetachpending = true where inhrelid = 'root_1'::regclass;
create function noop() returns trigger language plpgsql as 'begin return new; end';
create table fired (id int primary key); create trigger always after insert on fired for each row execute function noop(); alter table fired enable always trigger always;
create sequence loose; create table draws_a (id int default nextval('loose') primary key); create table draws_b (id int default nextval('loose') primary key);
create function heard() returns event_trigger language plpgsql as 'begin end'; create event trigger on_ddl on ddl_command_end execute function heard();
create table guarded (id int primary key); alter table guarded enable row level security;
create table sorted (id text collate "de-x-icu" primary key); update pg_collation set collversion = '0' where collname = 'de-x-icu';
create table kept (id int primary key); alter table kept owner to keeper;
create table filled (id int primary key);
select lo_create(0);
insert into pg_extension values (99999, 'imaginary', 10, 11, false, '1.0', null, null);
alter database postgres set work_mem = '7MB'`;

/** Named after one side, and asked of the other as well. */
const TWO_SIDED = ["target-version", "target-empty", "target-write", "target-row-security"];

const REASONS: Record<string, RegExp> = {
  "source-tls": /sslmode=disable: everything travels in plain text/,
  "target-tls": /sslmode=disable/,
  "target-version": /PostgreSQL 14, older than the source \(18\)/,
  "source-wal-level": /wal_level is replica: the change stream cannot begin/,
  "target-wal-level": /no way back/,
  "source-slots-free": /0 of 0 in use \(max_replication_slots\)/,
  "target-slots-free": /0 of 0 in use \(max_replication_slots\): there would be no way back/,
  "source-senders-free": /0 of 0 in use \(max_wal_senders\)/,
  "target-senders-free": /0 of 0 in use \(max_wal_senders\): there would be no way back/,
  "source-origins-free": /1 needed, 0 made by others, of 0 \(max_active_replication_origins\): there would be no way back/,
  "target-origins-free": /5 needed, 0 made by others, of 0 \(max_replication_slots\)/,
  "source-slot-keep-size": /is 1024 MB/,
  "source-slot-timeout": /idle_replication_slot_timeout is 60 s/,
  "source-decoding-memory": /is 1 MB/,
  "source-long-transactions": /postgres in report, idle in transaction/,
  "source-prepared-transactions": /'forgotten' of postgres/,
  "source-replication-role": /mover may not replicate/,
  "target-replication-role": /mover may not replicate: there would be no way back/,
  "target-write": /1 privileges are missing/,
  "source-replica-role": /may not set session_replication_role: there would be no way back/,
  "source-select": /\d+ privileges are missing/,
  "source-row-security": /guards guarded/,
  "source-table-ownership": /only an owner can publish/,
  "source-create": /mover may not create in database postgres/,
  "target-create": /mover may not create/,
  "target-replica-role": /may not set session_replication_role/,
  "source-replication-origin": /may not call pg_replication_origin_create/,
  "target-replication-origin": /may not call pg_replication_origin_create/,
  "tables-selected": /no table matches missing.nothing/,
  "table-overrides": /public\.orderz names no table that is moved; .*public\.full_row\.strategy is key, and the table has none/,
  "replica-identity": /public.no_key has no primary key/,
  "unlogged-tables": /public.fast is unlogged/,
  "foreign-tables": /public.far is a foreign table/,
  "tables-without-key": /read in one snapshot.*public.full_row/,
  "deferrable-keys": /late_code_key on late/,
  "key-order": /mixed_key/,
  "nulls-not-distinct": /before 15 .*nulls_v_key on nulls/,
  "generated-columns": /before 18 has no virtual columns: computed.twice/,
  inheritance: /aside.child \(inherits from parent\)/,
  partitions: /half detached: root_1/,
  triggers: /trigger always on fired at the source/,
  sequences: /loose \(drawn from by 2 tables\), loose \(owned by no column\)/,
  "large-objects": /1 large objects are not moved/,
  "source-event-triggers": /on_ddl \(ddl_command_end\)/,
  "target-event-triggers": /on_ddl_there/,
  "target-empty": /holds rows already: "public"."filled"/,
  encoding: /the source is UTF8, the target LATIN1/,
  "collation-versions": /"de-x-icu" \(0, now/,
  extensions: /not available at the target: imaginary 1.0/,
  parameters: /TimeZone \(UTC, Asia\/Tokyo\)/,
  "database-settings": /work_mem=7MB/,
  roles: /keeper/,
  "clock-difference": /the clocks differ by 3\d\d\d\.\d s/,
  "state-disk": /are wanted/,
  "client-tools": /needs pg_dump 18/,
};

describe("prechecks", () => {
  let fit: PgServer;
  before(async () => {
    fit = await startServer({ version: 15 });
    await query(fit.url(), FIT);
    await query(fit.url(), "create database there template template0");
  });
  after(async () => {
    await fit?.[Symbol.asyncDispose]();
  });

  test("between fit servers every one passes", async () => {
    const results = await checkAll(checkRequest(fit.url(), fit.url("there")));
    assert.deepEqual(
      [...results.values()].filter(({ status }) => status !== "pass"),
      [],
    );
    assert.deepEqual([...results.keys()].slice(0, 2), ["source-connection", "target-connection"]);
    for (const { id, fix } of results.values()) {
      assert.match(id, /^[a-z]+(-[a-z]+)*$/);
      assert.equal(fix, null, "what passes wants no mending");
    }
  });

  for (const version of [13, 14, 16, 17, 18] as const) {
    test(`and so it is on PostgreSQL ${version}`, async () => {
      await using server = await startServer({ version });
      await query(server.url(), FIT);
      await query(server.url(), "create database there template template0");
      const results = await checkAll(checkRequest(server.url(), server.url("there")));
      assert.deepEqual(
        [...results.values()].filter(({ status }) => status !== "pass"),
        [],
      );
      assert.ok(results.size > 40);
    });
  }

  test("what belongs to this migration at the target is no obstacle; what somebody else put there is", async () => {
    await query(
      fit.url("there"),
      `create table orders (id bigint primary key, v text); insert into orders values (1);
      create schema pghaul; create table pghaul.table_progress (migration text, table_id text); insert into pghaul.table_progress values ('m', 'public.orders')`,
    );
    const request = checkRequest(fit.url(), fit.url("there"));
    assert.equal((await checkAll(request)).get("target-empty")?.status, "pass");
    const other = (await checkAll({ ...request, migration: "other" })).get("target-empty");
    assert.equal(other?.status, "fail");
    await query(fit.url("there"), other?.fix ?? "");
    assert.equal((await checkAll({ ...request, migration: "other" })).get("target-empty")?.status, "pass", "the fix mends");
    await query(fit.url("there"), "drop table orders; drop schema pghaul cascade");
  });

  test("a side that is not there fails once, and the other is checked all the same", async () => {
    const nowhere = "postgres://postgres@127.0.0.1:1/postgres";
    const all = [...(await checkAll(checkRequest(fit.url(), fit.url("there")))).keys()];
    const without = async (request: CheckRequest) => [...(await checkAll(request)).values()];
    const noSource = await without(checkRequest(nowhere, fit.url("there")));
    const noTarget = await without(checkRequest(fit.url(), nowhere));
    for (const [results, here, away] of [
      [noSource, "target", "source"],
      [noTarget, "source", "target"],
    ] as const) {
      const failed = results.filter(({ status }) => status !== "pass");
      assert.deepEqual(
        failed.map(({ id }) => id),
        [`${away}-connection`],
      );
      assert.match(failed[0]?.evidence ?? "", new RegExp(`ECONNREFUSED.*what asks for the ${away} is not checked`));
      const ids = results.map(({ id }) => id);
      // What looks at one side alone bears its name.
      const expected = all.filter((id) => id.startsWith(`${here}-`) && !TWO_SIDED.includes(id));
      assert.deepEqual(
        expected.filter((id) => !ids.includes(id)),
        [],
      );
      assert.ok(ids.includes("state-disk"));
      assert.deepEqual(
        ids.filter((id) => id.startsWith(away)),
        [`${away}-connection`],
      );
    }
    const neither = await without(checkRequest(nowhere, nowhere));
    assert.deepEqual(
      neither.map(({ id, status }) => [id, status]),
      [
        ["source-connection", "fail"],
        ["target-connection", "fail"],
        ["state-disk", "pass"],
      ],
    );
  });

  test("a catalog that cannot be read is one failure, and what needs no tables is checked", async () => {
    await query(fit.url(), "create role blind login");
    await query(fit.url(), "create database veiled template template0");
    await query(fit.url("veiled"), "revoke select on pg_catalog.pg_index from public");
    const results = await checkAll(checkRequest(fit.url("veiled", "blind"), fit.url("there")));
    const tables = results.get("tables-selected");
    assert.equal(tables?.status, "fail");
    assert.match(tables?.evidence ?? "", /pg_index.*what asks for the tables is not checked/);
    assert.equal(results.get("source-wal-level")?.status, "pass");
    assert.equal(results.get("replica-identity"), undefined);
    assert.equal(results.get("target-empty"), undefined);
  });

  test("a session that is lost on the way is the last failure, not a crash", async () => {
    const killer = await fit.connect();
    const request = checkRequest(fit.url(), fit.url("there"));
    let own: pg.Client | undefined;
    const results: CheckResult[] = [];
    for await (const result of runChecks({
      ...request,
      connect: async (side, purpose) => {
        const client = await request.connect(side, purpose);
        if (side === "source") own = client;
        return client;
      },
    })) {
      results.push(result);
      if (result.id !== "source-version") continue;
      await killer.query("select pg_terminate_backend($1)", [(own as unknown as { processID: number }).processID]);
      await new Promise((resolve) => own?.once("end", resolve));
    }
    await killer.end();
    assert.equal(results.at(-1)?.status, "fail");
    assert.match(results.at(-1)?.evidence ?? "", /could not be checked/);
    assert.equal(results.filter(({ status }) => status === "fail").length, 1);
  });

  test("policies at the target stand in the way of a role that does not own the tables", async () => {
    await query(fit.url(), "create database guarded template template0");
    await query(fit.url("guarded"), "create table orders (id bigint primary key, v text); alter table orders enable row level security");
    await query(fit.url(), "create role writer login");
    await query(fit.url("guarded"), "grant all on orders to writer");
    const securityOf = async (user?: string) =>
      (await checkAll(checkRequest(fit.url(), fit.url("guarded", user)))).get("target-row-security");
    assert.equal((await securityOf())?.status, "pass");
    const refused = await securityOf("writer");
    assert.deepEqual([refused?.status, refused?.evidence], ["fail", "row level security guards orders: COPY into them is refused"]);
    await query(fit.url(), refused?.fix ?? "");
    assert.equal((await securityOf("writer"))?.status, "pass", "the fix mends");
  });

  test("a server without room for our origins is told of", async () => {
    await using server = await startServer({ version: 18, settings: { max_active_replication_origins: "4" } });
    await query(server.url(), "create database there template template0");
    await query(server.url(), "create role plain login");
    const originsOf = async (workers: number, user?: string) => {
      const url = (database: string) => server.url(database, user);
      return (await checkAll(checkRequest(url("postgres"), url("there"), { workers }))).get("target-origins-free");
    };
    assert.equal((await originsOf(3))?.status, "pass");
    const tooFew = await originsOf(4);
    assert.deepEqual([tooFew?.status, tooFew?.evidence], ["fail", "5 needed, 0 in use by others, of 4 (max_active_replication_origins)"]);
    assert.match(tooFew?.fix ?? "", /^alter system set max_active_replication_origins = 9;/);
    await query(server.url(), "select pg_replication_origin_create('other')");
    assert.equal((await originsOf(3))?.status, "pass", "it exists, and occupies no state yet");
    const bound = await originsOf(3, "plain");
    assert.equal(bound?.status, "warn", "who cannot see which are in use takes them all for it");
    await query(server.url(), "select pg_replication_origin_session_setup('other')");
    const used = await originsOf(3);
    assert.equal(used?.status, "fail", used?.evidence);
  });

  test("a standby is neither a source nor a target", async () => {
    await using server = await startServer({ version: 15 });
    await server.stop();
    const signal = join(server.dataDir, "standby.signal");
    writeFileSync(signal, "");
    const { uid, gid } = statSync(server.dataDir);
    chownSync(signal, uid, gid);
    await server.start();
    const asSource = await checkAll(checkRequest(server.url(), fit.url("there")));
    assert.equal(asSource.get("source-primary")?.status, "fail");
    const asTarget = await checkAll(checkRequest(fit.url(), server.url()));
    assert.equal(asTarget.get("target-primary")?.status, "fail");
  });

  test("another collation at the target is told", async () => {
    await query(fit.url(), "create database german template template0 locale_provider icu icu_locale 'de-DE' encoding 'UTF8'");
    const result = (await checkAll(checkRequest(fit.url(), fit.url("german")))).get("collation");
    assert.equal(result?.status, "warn");
    assert.match(result?.evidence ?? "", /the source sorts by C of libc, the target by de(-DE)? of ICU/);
  });

  test("an encoding that takes anything is told", async () => {
    await query(fit.url(), "create database bytes template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'");
    const result = (await checkAll(checkRequest(fit.url("bytes"), fit.url("there")))).get("encoding");
    assert.equal(result?.status, "warn");
    assert.match(result?.evidence ?? "", /a text that is no UTF-8 stops the load/);
  });

  test("a version that nobody has tried is refused", async () => {
    const check = SERVER_CHECKS.find(({ id }) => id === "source-version");
    const source = { name: "source", version: 120_022 } as never;
    assert.deepEqual(await check?.run({ source } as never), {
      status: "fail",
      evidence: "PostgreSQL 12; pghaul knows 13 to 18",
      fix: null,
    });
  });

  test("a check that cannot be carried out fails, and the others go on", async () => {
    const request = checkRequest(fit.url(), fit.url("there"), {
      findClientTools: async () => {
        throw new Error("the shelf fell down");
      },
    });
    const result = (await checkAll(request)).get("client-tools");
    assert.equal(result?.status, "fail");
    assert.match(result?.evidence ?? "", /could not be checked/);
  });

  describe("between unfit servers", () => {
    let source: PgServer;
    let target: PgServer;
    let results: ReadonlyMap<string, CheckResult>;
    let holder: pg.Client;

    before(async () => {
      source = await startServer({
        version: 18,
        settings: {
          wal_level: "replica",
          max_replication_slots: "0",
          max_wal_senders: "0",
          max_active_replication_origins: "0",
          max_slot_wal_keep_size: "1GB",
          idle_replication_slot_timeout: "60s",
          logical_decoding_work_mem: "1MB",
          max_prepared_transactions: "5",
        },
      });
      target = await startServer({
        version: 14,
        settings: { wal_level: "replica", max_replication_slots: "0", max_wal_senders: "0", timezone: "Asia/Tokyo" },
      });
      await query(source.url(), "create table prepared (id int primary key)");
      for (const statement of UNFIT.split(/;\n/)) await query(source.url(), statement);
      await query(source.url(), "grant pg_monitor to mover");
      const preparer = await source.connect();
      await preparer.query("begin");
      await preparer.query("insert into prepared values (1)");
      await preparer.query("prepare transaction 'forgotten'");
      await preparer.end();
      holder = await source.connect();
      await holder.query("set application_name = 'report'");
      await holder.query("begin");
      await holder.query("select 1");
      await query(target.url(), "create role mover login");
      await query(target.url(), "create database there encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0");
      await query(
        target.url("there"),
        `create table filled (id int primary key); insert into filled values (1); grant select on filled to mover;
        create function heard() returns event_trigger language plpgsql as 'begin end'; create event trigger on_ddl_there on ddl_command_end execute function heard();
        create function public.clock_timestamp() returns timestamptz language sql as $$select pg_catalog.clock_timestamp() + interval '1 hour'$$;
        alter role mover set search_path = public, pg_catalog`,
      );
      const remote = (url: string) => url.replace("127.0.0.1", "db.example.test").concat("?hostaddr=127.0.0.1&sslmode=disable");
      results = await checkAll(
        checkRequest(remote(source.url("postgres", "mover")), remote(target.url("there", "mover")), {
          selection: { include: ["public.*", "missing.nothing"], exclude: [] },
          overrides: { "public.orderz": {}, "public.full_row": { strategy: "key" }, "public.no_key": { strategy: "key" } },
          wantedStateBytes: 1e18,
          longTransactionSeconds: 0,
          findClientTools: async (major) => {
            throw new PghaulError("TOOL_MISSING", `needs pg_dump ${major}`);
          },
        }),
      );
    });
    after(async () => {
      await holder?.end();
      await source?.[Symbol.asyncDispose]();
      await target?.[Symbol.asyncDispose]();
    });

    for (const [id, reason] of Object.entries(REASONS)) {
      test(`${id} says why`, () => {
        const result = results.get(id);
        assert.ok(result, "it did not run");
        assert.notEqual(result.status, "pass", result.evidence);
        assert.match(result.evidence, reason);
      });
    }

    test("every check has been seen to say no", () => {
      const elsewhere = [
        "source-connection",
        "target-connection",
        "source-primary",
        "target-primary",
        "source-version",
        "collation",
        "target-row-security",
      ];
      assert.deepEqual([...results.keys()].filter((id) => !(id in REASONS)).sort(), elsewhere.sort());
    });

    test("the grants that are printed are the grants that are needed", async () => {
      const mended = {
        "source-select": source.url(),
        "source-replication-role": source.url(),
        "source-row-security": source.url(),
        "source-table-ownership": source.url(),
        "source-create": source.url(),
        "source-replica-role": source.url(),
        "source-replication-origin": source.url(),
        "target-replication-role": target.url("there"),
        "target-write": target.url("there"),
        "target-create": target.url("there"),
        "target-replication-origin": target.url("there"),
      };
      for (const [id, url] of Object.entries(mended)) {
        const fix = results.get(id)?.fix;
        assert.ok(fix, id);
        await query(url, fix.replace(/--.*$/m, ""));
      }
      const again = await checkAll(
        checkRequest(source.url("postgres", "mover"), target.url("there", "mover"), { selection: { include: ["public.*"], exclude: [] } }),
      );
      for (const id of Object.keys(mended)) assert.equal(again.get(id)?.status, "pass", `${id}: ${again.get(id)?.evidence}`);
    });
  });
});
