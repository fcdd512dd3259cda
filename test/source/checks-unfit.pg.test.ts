import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { CheckResult } from "../../src/model/check-result.ts";
import { query } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { checkAll, checkRequest } from "./check-request.ts";

/** As the superuser: tables of every awkward kind, and a role that may nothing. */
const UNFIT = `
create role mover login; create role keeper; create role clerk in role keeper; create role landlord bypassrls; create table let (id int primary key); alter table let owner to landlord; create role stranger;
create table no_key (v text); create table full_row (v text); alter table full_row replica identity full;
create unlogged table fast (id int primary key);
create foreign data wrapper w; create server s foreign data wrapper w; create foreign table far (id int) server s; create user mapping for public server s options (password 'XYZZY');
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
create trigger pghaul_fence_source_ab before insert on fired for each statement execute function noop(); alter table fired disable trigger pghaul_fence_source_ab;
create table filled (id int primary key);
insert into pg_subscription select 77777, d.oid, '0/0', 'feed', 10, true, false, 'f', 'd', false, false, false, false, 'dbname=nowhere', null, 'off', '{p}', 'any' from pg_database d where datname = 'postgres';
insert into pg_subscription_rel values (77777, 'filled'::regclass, 'r', '0/0');
create table guarded (id int primary key); alter table guarded enable row level security;
create table sorted (id text collate "de-x-icu" primary key); update pg_collation set collversion = '0' where collname = 'de-x-icu';
create table kept (id int primary key); alter table kept owner to landlord; grant maintain on kept to keeper;
select lo_create(0);
create publication feed for table fired where (id > 3);
insert into pg_extension values (99999, 'imaginary', 10, 11, false, '1.0', null, null);
create table kept_rows (id int);
insert into pg_depend select 'pg_class'::regclass, 'kept_rows'::regclass, 0, 'pg_extension'::regclass, 99999, 0, 'e';
update pg_extension set extconfig = array['kept_rows'::regclass], extcondition = array[''] where oid = 99999;
alter database postgres set work_mem = '7MB';
alter database postgres set app.stripe_key = 'XYZZY'`;

/** Named after one side, and asked of the other as well. */
const REASONS: Record<string, RegExp> = {
  "source-tls": /sslmode=disable: everything travels in plain text/,
  "target-tls": /sslmode=disable/,
  "target-version": /PostgreSQL 14, older than the source \(18\)/,
  "source-wal-level": /wal_level is replica: the change stream cannot start/,
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
  "source-replication-role": /mover lacks REPLICATION/,
  "target-replication-role": /mover lacks REPLICATION: there would be no way back/,
  "target-write": /1 privileges are missing/,
  "source-replica-role": /may not set session_replication_role: there would be no way back/,
  "source-select": /\d+ privileges are missing/,
  "source-row-security": /row-level security applies to our role on guarded/,
  "source-table-ownership": /only an owner can publish/,
  "target-table-ownership": /only an owner can fence public\.\S+: the cutover stays closed until our role owns them/,
  "source-create": /mover may not create in database postgres/,
  "target-create": /mover may not create/,
  "target-replica-role": /may not set session_replication_role/,
  "source-replication-origin": /may not call pg_replication_origin_create/,
  "target-replication-origin": /may not call pg_replication_origin_create/,
  "tables-selected": /tables\.include: no table matches missing.nothing/,
  "tables-outside": /belong to extensions, with rows of your own: public\.kept_rows/,
  "table-overrides": /public\.orderz does not name a table that is moved; .*public\.full_row\.strategy is key, but the table has no key/,
  "replica-identity": /public.no_key has no primary key/,
  "unlogged-tables": /public.fast is unlogged/,
  "foreign-tables": /public.far is a foreign table/,
  "tables-without-key": /read in one snapshot.*public.full_row/,
  "deferrable-keys": /late_code_key on late/,
  "key-order": /mixed_key/,
  "nulls-not-distinct": /before version 15, .*nulls_v_key on nulls/,
  "generated-columns": /before version 18, the target has no virtual columns: computed.twice/,
  inheritance: /aside.child \(inherits from parent\)/,
  partitions: /DETACH CONCURRENTLY was not finished: root_1/,
  triggers: /trigger always on fired at the source/,
  sequences: /: public\.loose \(used by 2 tables\), public\.loose \(owned by no column\)$/,
  "large-objects": /1 large objects are not moved/,
  "source-event-triggers": /on_ddl \(ddl_command_end\)/,
  "target-event-triggers": /on_ddl_there/,
  "source-subscriptions": /feed writes to public.filled: the fence does not stop its worker.*not moved.*: feed$/,
  "target-subscriptions": /feed writes to public.filled: pghaul does not know about these rows/,
  "source-secrets": /are not moved: user mapping for public on server s/,
  "source-fences-left": /open fences left by an earlier migration: pghaul_fence_source_ab on public.fired/,
  "target-fences-left": /a pghaul fence refuses writes to public.filled/,
  "target-empty": /already at the target, but target.schema: move would create them: "public"."filled"/,
  publications: /not moved.*feed/,
  encoding: /the source is UTF8, the target LATIN1/,
  "collation-versions": /"de-x-icu" \(0, now/,
  extensions: /not available at the target: imaginary 1.0/,
  parameters: /TimeZone \(UTC, Asia\/Tokyo\)/,
  "database-settings": /: app\.stripe_key, work_mem=7MB$/,
  roles: /keeper/,
  "role-memberships": /clerk has the rights of keeper/,
  "role-attributes": /landlord has bypassrls at the source only/,
  owners: /may not give objects to landlord/,
  grants: /MAINTAIN on table public\.kept to keeper/,
  "clock-difference": /the clocks differ by 3\d\d\d\.\d s/,
  "state-disk": /are recommended/,
  "cutover-route": /cutover.routing names no route/,
  "client-tools": /needs pg_dump 18/,
};

describe("prechecks between unfit servers", () => {
  let source: PgServer;
  let target: PgServer;
  let results: ReadonlyMap<string, CheckResult>;
  let holder: pg.Client;
  let reader: pg.Client;

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
    await holder.query("select pg_current_xact_id()");
    reader = await source.connect();
    await reader.query("set application_name = 'looker on'; begin isolation level repeatable read; select count(*) from prepared");
    await query(target.url(), "create role mover login; create role landlord");
    await query(target.url(), "create database there encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0");
    await query(
      target.url("there"),
      `create table filled (id int primary key); insert into filled values (1); grant select on filled to mover;
      create function heard() returns event_trigger language plpgsql as 'begin end'; create event trigger on_ddl_there on ddl_command_end execute function heard();
      create trigger pghaul_fence_target_cd before insert on filled for each statement execute function suppress_redundant_updates_trigger();
      insert into pg_subscription select 77777, d.oid, 'feed', 10, true, false, false, 'dbname=nowhere', null, 'off', '{p}' from pg_database d where datname = 'there';
      insert into pg_subscription_rel values (77777, 'filled'::regclass, 'r', '0/0');
      create function public.clock_timestamp() returns timestamptz language sql as $$select pg_catalog.clock_timestamp() + interval '1 hour'$$;
      alter role mover set search_path = public, pg_catalog`,
    );
    const remote = (url: string) => url.replace("127.0.0.1", "db.example.test").concat("?hostaddr=127.0.0.1&sslmode=disable");
    results = await checkAll(
      checkRequest(remote(source.url("postgres", "mover")), remote(target.url("there", "mover")), {
        selection: { include: ["public.*", "missing.nothing"], exclude: [] },
        overrides: { "public.orderz": {}, "public.full_row": { strategy: "key" }, "public.no_key": { strategy: "key" } },
        routes: [],
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
    await reader?.end();
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

  test("a long transaction that only reads is in nobody's way, and nobody is told to end it", () => {
    const result = results.get("source-long-transactions");
    assert.doesNotMatch(`${result?.evidence}`, /looker on/);
    assert.equal(result?.fix?.split("\n").length, 1);
  });

  test("what is printed can be pasted: no word stands for another", () => {
    for (const { id, fix } of results.values())
      assert.doesNotMatch(fix ?? "", /\b(NAME|TABLE|PARENT|PARAMETER|VALUE|PID|GID)\b|=\.\.\./, id);
  });

  test("no secret of the databases is told", () => {
    assert.doesNotMatch(JSON.stringify([...results.values()]), /XYZZY/);
  });

  test("every check has been seen to say no", () => {
    const elsewhere = [
      "source-connection",
      "target-connection",
      "source-primary",
      "target-primary",
      "source-version",
      "collation",
      "target-row-security",
      "source-connection-limit",
      "target-connection-limit",
      "extension-schemas",
      "extension-privileges",
      "function-libraries",
      "compression",
      "generated-children",
      "target-read-only",
      // checks-schema.pg.test.ts
      "column-count",
      "foreign-keys-out",
      "foreign-key-orphans",
      "function-search-path",
      "check-reads-tables",
      "source-other-migrations",
      "target-other-migrations",
      // partition-bounds.pg.test.ts
      "partition-bounds",
      // checks.pg.test.ts
      "source-disk",
      // machine-checks.test.ts
      "state-directory",
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
      "target-table-ownership": target.url("there"),
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
