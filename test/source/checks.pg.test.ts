import assert from "node:assert/strict";
import { chownSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { CheckResult } from "../../src/model/check-result.ts";
import { SERVER_CHECKS } from "../../src/source/checks/server-checks.ts";
import { type CheckRequest, runChecks } from "../../src/source/run-checks.ts";
import { query } from "../support/database.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { checkAll, checkRequest } from "./check-request.ts";

const FIT = "create table orders (id bigserial primary key, v text); create table notes (id int primary key)";

const TWO_SIDED = [
  "target-table-ownership",
  "target-version",
  "target-read-only",
  "target-empty",
  "target-write",
  "target-row-security",
  "target-subscriptions",
  "target-fences-left",
  "target-other-migrations",
];

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
    const request = checkRequest(fit.url(), fit.url("there"), { schema: "existing" });
    assert.equal((await checkAll(request)).get("target-empty")?.status, "pass");
    const inTheWay = (await checkAll({ ...request, migration: "other", schema: "move" })).get("target-empty");
    assert.equal(inTheWay?.status, "fail");
    assert.match(
      `${inTheWay?.evidence} ${inTheWay?.fix}`,
      /^already at the target, .*"public"\."orders" start with an empty target database, or set target.schema: existing/,
    );
    const other = (await checkAll({ ...request, migration: "other" })).get("target-empty");
    assert.equal(other?.status, "fail");
    await query(fit.url("there"), other?.fix ?? "");
    assert.equal((await checkAll({ ...request, migration: "other" })).get("target-empty")?.status, "pass", "the fix mends");
    const empty = (await checkAll({ ...request, migration: "other", schema: "move" })).get("target-empty");
    assert.equal(empty?.status, "fail", "pg_restore refuses an empty table as it does a full one");
    await query(fit.url("there"), "drop table orders; drop schema pghaul cascade");
  });

  test("a state directory on the disk of a source on this machine is worth a word; on another disk, or unseen, it is not", async () => {
    const request = checkRequest(fit.url(), fit.url("there"));
    const asked: string[] = [];
    const sharing = (await checkAll({ ...request, deviceOf: async (directory) => asked.push(directory) && 7 })).get("source-disk");
    const [data = ""] = (await query<{ data: string }>(fit.url(), "select current_setting('data_directory') as data")).map(
      (row) => row.data,
    );
    assert.deepEqual(asked, [data, "/tmp"]);
    assert.equal(sharing?.status, "warn");
    assert.match(sharing?.evidence ?? "", /not\/made\/yet is on the same disk as the source's data/);
    const apart = (await checkAll({ ...request, deviceOf: async (directory) => (directory === data ? 1 : 2) })).get("source-disk");
    assert.equal(apart?.status, "pass");
    assert.match(apart?.evidence ?? "", /different disks/);
    await query(fit.url(), "create role unsighted login");
    const hidden = checkRequest(fit.url(undefined, "unsighted"), fit.url("there"), { deviceOf: async () => 7 });
    assert.match((await checkAll(hidden)).get("source-disk")?.evidence ?? "", /cannot see/);
    await query(fit.url(), "drop role unsighted");
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
      assert.match(failed[0]?.evidence ?? "", new RegExp(`ECONNREFUSED.*checks that need the ${away} were skipped`));
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
        ["state-directory", "pass"],
        ["state-disk", "pass"],
        ["cutover-route", "pass"],
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
    assert.match(tables?.evidence ?? "", /pg_index.*checks that need the tables were skipped/);
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
      const ended = new Promise((resolve) => own?.once("end", resolve));
      await killer.query("select pg_terminate_backend($1)", [(own as unknown as { processID: number }).processID]);
      await ended;
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
    assert.deepEqual(
      [refused?.status, refused?.evidence],
      ["fail", "row-level security applies to our role on orders: COPY into them is refused"],
    );
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
    assert.match(result?.evidence ?? "", /a value that is not valid UTF-8 stops the load/);
  });

  test("a version that nobody has tried is refused", async () => {
    const check = SERVER_CHECKS.find(({ id }) => id === "source-version");
    const source = { name: "source", server: async () => ({ version: 120_022, release: "12.22", inRecovery: false }) };
    assert.deepEqual(await check?.ask({ source } as never), {
      verdict: "fail",
      evidence: "PostgreSQL 12; pghaul supports 13 to 18",
      advice: null,
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
});
