import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { type ConnectOptions, connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { deadline } from "../support/deadline.ts";
import { PG_VERSIONS, type PgServer, startServer } from "../support/pg-server.ts";

const resolve = (url: string) => resolveConnection({ url }, { env: {}, home: undefined, user: "postgres", socketDirs: [] });
const open = (url: string, more: Partial<ConnectOptions> = {}) => connect(resolve(url), { side: "source", purpose: "test", ...more });

async function value(client: pg.Client, sql: string): Promise<string> {
  return Object.values((await client.query(sql)).rows[0] as Record<string, string>)[0] as string;
}

/** Accepts connections and never says a word. */
async function silentServer(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.unref())
    .listen(0, "127.0.0.1")
    .unref();
  await once(server, "listening");
  return { server, port: (server.address() as { port: number }).port };
}

for (const version of PG_VERSIONS) {
  it(`PostgreSQL ${version}: one canonical session, whatever server, database and role say`, async () => {
    await using server = await startServer({
      version,
      settings: {
        datestyle: "SQL, DMY",
        timezone: "Asia/Kolkata",
        statement_timeout: "9s",
        default_transaction_isolation: "serializable",
        ...(version >= 14 ? { idle_session_timeout: "9s" } : {}),
        ...(version >= 17 ? { transaction_timeout: "9s" } : {}),
      },
    });
    const admin = await server.connect();
    await admin.query(`
      alter role postgres set intervalstyle = 'iso_8601';
      alter role postgres set extra_float_digits = '-3';
      alter role postgres set lock_timeout = '7s';
      alter role postgres set array_nulls = off;
      alter database postgres set bytea_output = 'escape';
      alter database postgres set default_transaction_read_only = on`);
    await admin.end();
    for (const replication of [false, true]) {
      const client = await open(`${server.url()}?options=-c%20idle_in_transaction_session_timeout%3D5s`, {
        replication,
        settings: { application_name: "mine" },
      });
      const row = (
        await client.query(`select '2021-02-03 04:05:06.789+00'::timestamptz as ts, interval '1 day 2:03' as i, 0.1::float8 + 0.2 as f,
        1::int4 as n, '\\x00ff'::bytea as b, true as t, null as nothing, '{1,NULL}'::int[] as a`)
      ).rows[0] as unknown;
      assert.deepEqual(row, {
        ts: "2021-02-03 04:05:06.789+00",
        i: "1 day 02:03:00",
        f: "0.30000000000000004",
        n: "1",
        b: "\\x00ff",
        t: "t",
        nothing: null,
        a: "{1,NULL}",
      });
      const settings = (
        await client.query(`select name, setting from pg_settings where name = any('{client_encoding,row_security,statement_timeout,lock_timeout,xmloption,
        idle_in_transaction_session_timeout,default_transaction_read_only,default_transaction_isolation,application_name}')`)
      ).rows as { name: string; setting: string }[];
      assert.deepEqual(Object.fromEntries(settings.map(({ name, setting }) => [name, setting])), {
        client_encoding: "UTF8",
        row_security: "off",
        statement_timeout: "0",
        lock_timeout: "7000",
        xmloption: "content",
        idle_in_transaction_session_timeout: "0",
        default_transaction_read_only: "off",
        default_transaction_isolation: "read committed",
        application_name: "mine",
      });
      for (const name of ["idle_session_timeout", "transaction_timeout"]) {
        const { rows } = await client.query(`select current_setting('${name}', true) as value`);
        assert.ok([null, "", "0"].includes((rows as { value: string | null }[])[0]?.value ?? null), name);
      }
      if (replication) assert.equal(((await client.query("IDENTIFY_SYSTEM")).rows[0] as { dbname: string }).dbname, "postgres");
      await client.end();
    }
  });
}

describe("connecting", () => {
  let server: PgServer;
  let standby: PgServer;
  before(async () => {
    server = await startServer({ version: 17, passwords: { app: "s3:c/r@t", limited: "x" } });
    standby = await startServer({ version: 17 });
    await standby.stop();
    // Without a primary to follow, a server with this file still starts as a standby, which is all that roles need.
    writeFileSync(path.join(standby.dataDir, "standby.signal"), "");
    await standby.start();
  });
  after(async () => {
    await standby[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it("carries a label that a DBA finds in pg_stat_activity", async () => {
    const label = async (url: string, purpose: string) => {
      const client = await open(url, { purpose });
      const name = await value(client, "select application_name from pg_stat_activity where pid = pg_backend_pid()");
      await client.end();
      return name;
    };
    assert.equal(await label(server.url(), "snapshot public.orders c17"), "pghaul [snapshot public.orders c17]");
    assert.equal(await label(`${server.url()}?application_name=night`, "apply"), "night [apply]");
    assert.equal(await label(server.url(), "größe ☂"), "pghaul [gr??e ?]");
    const long = await label(server.url(), "x".repeat(100));
    assert.deepEqual([long.length, long.at(-1)], [63, "]"]);
  });

  it("opens a session on a standby whose default isolation a standby cannot serve", async () => {
    const client = await open(`${standby.url()}?options=-c%20default_transaction_isolation%3Dserializable`);
    assert.equal(await value(client, "select pg_is_in_recovery()"), "t");
    await client.end();
  });

  it("signs in by SCRAM", async () => {
    const client = await open(server.url("postgres", "app"));
    assert.equal(await value(client, "select current_user"), "app");
    await client.end();
  });

  it("row level security fails a read instead of hiding rows", async () => {
    const admin = await server.connect();
    await admin.query("create table guarded (a int); alter table guarded enable row level security; grant select on guarded to limited");
    await admin.end();
    const client = await open(server.url("postgres", "limited"));
    await assert.rejects(client.query("select * from guarded"), { code: "42501" });
    await client.end();
  });

  describe("target_session_attrs", () => {
    const roles: readonly [string, "primary" | "standby" | null, "primary" | "standby" | null][] = [
      // attrs, chosen of primary,standby; chosen of standby,primary
      ["any", "primary", "standby"],
      ["primary", "primary", "primary"],
      ["read-write", "primary", "primary"],
      ["standby", "standby", "standby"],
      ["read-only", "standby", "standby"],
      ["prefer-standby", "standby", "standby"],
    ];
    const both = (attrs: string, ports: number[]) =>
      `host=127.0.0.1,127.0.0.1 port=${ports.join(",")} user=postgres dbname=postgres target_session_attrs=${attrs}`;
    for (const [attrs, first, second] of roles) {
      it(attrs, async () => {
        for (const [ports, expected] of [
          [[server.port, standby.port], first],
          [[standby.port, server.port], second],
        ] as const) {
          const client = await open(both(attrs, [...ports]));
          assert.equal(await value(client, "select pg_is_in_recovery()"), expected === "standby" ? "t" : "f");
          await client.end();
        }
      });
    }
    it("prefer-standby takes the primary when there is no standby", async () => {
      const client = await open(`${server.url()}?target_session_attrs=prefer-standby`);
      assert.equal(await value(client, "select pg_is_in_recovery()"), "f");
      await client.end();
    });
    it("a primary that is read-only by default is not read-write, and is read-only", async () => {
      const options = "options=-c%20default_transaction_read_only%3Don";
      await assert.rejects(open(`${server.url()}?${options}&target_session_attrs=read-write`), {
        code: "SOURCE_UNREACHABLE",
        message: /is a read-only primary, but target_session_attrs=read-write is required/,
      });
      await (await open(`${server.url()}?${options}&target_session_attrs=read-only`)).end();
    });
    it("says what each host was when none fits", async () => {
      await assert.rejects(open(both("standby", [server.port, server.port])), {
        code: "SOURCE_UNREACHABLE",
        message: /no host could be used: .*is a primary, but target_session_attrs=standby is required; .*is a primary/,
      });
      await assert.rejects(open(`${standby.url()}?target_session_attrs=primary`), {
        code: "SOURCE_UNREACHABLE",
        message: /is a standby, but target_session_attrs=primary is required/,
      });
    });
    it("leaves no session behind on hosts that it passed over", async () => {
      const client = await open(both("standby", [server.port, standby.port]), { purpose: "passing" });
      await client.end();
      const admin = await server.connect();
      for (const lastLook = Date.now() + deadline(5_000); ; ) {
        const { rows } = await admin.query("select 1 from pg_stat_activity where application_name = 'pghaul [passing]'");
        if (rows.length === 0) break;
        assert.ok(Date.now() < lastLook, "the session is still there");
      }
      await admin.end();
    });
  });

  describe("several hosts", () => {
    it("goes on from a host that refuses or does not exist", async () => {
      const client = await open(`postgres://postgres@127.0.0.1:1,no-such-host.invalid,127.0.0.1:${server.port}/postgres?sslmode=prefer`);
      await client.end();
    });
    it("goes on from a host that says nothing, after connect_timeout", async () => {
      const silent = await silentServer();
      const started = performance.now();
      const client = await open(`postgres://postgres@127.0.0.1:${silent.port},127.0.0.1:${server.port}/postgres?connect_timeout=1`);
      assert.ok(performance.now() - started >= 900);
      await client.end();
      silent.server.close();
    });
    it("stops at refused credentials, as libpq does", async () => {
      const url = `postgres://app:wrong@127.0.0.1:${server.port},127.0.0.1:${server.port}/postgres`;
      await assert.rejects(open(url), {
        code: "SOURCE_AUTH",
        message: /^127\.0\.0\.1:\d+: password authentication failed for user "app"$/,
      });
    });
    it("load_balance_hosts=random reaches each host", async () => {
      const seen = new Set<string>();
      for (let round = 0; round < 60 && seen.size < 2; round++) {
        const client = await open(`host=127.0.0.1,127.0.0.1 port=${server.port},${standby.port} user=postgres load_balance_hosts=random`);
        seen.add(await value(client, "select pg_is_in_recovery()"));
        await client.end();
      }
      assert.equal(seen.size, 2);
    });
  });

  describe("errors", () => {
    const cases: readonly [string, () => string, string, RegExp][] = [
      ["nobody listens", () => "postgres://u:pr1vate@127.0.0.1:1/d", "TARGET_UNREACHABLE", /^127\.0\.0\.1:1: connect ECONNREFUSED/],
      ["no such name", () => "postgres://u:pr1vate@no-such-host.invalid/d", "TARGET_UNREACHABLE", /ENOTFOUND|EAI_AGAIN/],
      ["no socket", () => "postgres://u:pr1vate@/d?host=/nonexistent", "TARGET_UNREACHABLE", /ENOENT/],
      [
        "wrong password",
        () => `postgres://app:pr1vate@127.0.0.1:${server.port}/postgres`,
        "TARGET_AUTH",
        /password authentication failed for user "app"/,
      ],
      ["no password", () => `postgres://app@127.0.0.1:${server.port}/postgres`, "TARGET_AUTH", /asks for a password, but none was found/],
      ["no such database", () => server.url("nowhere"), "TARGET_QUERY", /database "nowhere" does not exist/],
      ["no such role", () => server.url("postgres", "nobody"), "TARGET_AUTH", /role "nobody" does not exist/],
      ["TLS where there is none", () => `${server.url()}?sslmode=require`, "TARGET_AUTH", /does not support SSL/],
      [
        // The wrong password shows that no answer was sent: the server would have refused it first.
        "channel binding where there is none",
        () => `postgres://app:pr1vate@127.0.0.1:${server.port}/postgres?channel_binding=require`,
        "TARGET_AUTH",
        /channel_binding=require is set, but the server does not offer channel binding/,
      ],
      [
        "channel binding, and nobody asks for a password",
        () => `${server.url()}?channel_binding=require`,
        "TARGET_AUTH",
        /channel_binding=require/,
      ],
      ["an unknown setting", () => `${server.url()}?options=-c%20nonsense%3D1`, "TARGET_QUERY", /unrecognized configuration parameter/],
    ];
    for (const [title, url, code, message] of cases) {
      it(title, () =>
        assert.rejects(open(url(), { side: "target" }), (error: Error & { code: string; context: Record<string, unknown> }) => {
          assert.equal(error.code, code, error.message);
          assert.match(error.message, message);
          assert.deepEqual(
            Object.keys(error.context)
              .filter((key) => key !== "sqlstate")
              .sort(),
            ["database", "host", "user"],
          );
          assert.ok(!`${error.message}${error.stack}${JSON.stringify(error)}${String(error.cause)}`.includes("pr1vate"));
          return true;
        }),
      );
    }
    it("a setting that the role may not change", () =>
      assert.rejects(open(server.url("postgres", "app"), { settings: { session_replication_role: "replica" } }), {
        code: "SOURCE_PRIVILEGE",
      }));
    it("no answer", async () => {
      const silent = await silentServer();
      await assert.rejects(open(`postgres://u@127.0.0.1:${silent.port}/d?connect_timeout=1`), {
        code: "SOURCE_UNREACHABLE",
        message: /no answer within 1 s/,
      });
      silent.server.close();
    });
  });

  describe("signal", () => {
    it("ends an attempt at once, with its own reason", async () => {
      const silent = await silentServer();
      const stop = new AbortController();
      const reason = new Error("stopped by the operator");
      silent.server.once("connection", () => stop.abort(reason));
      await assert.rejects(
        open(`postgres://u@127.0.0.1:${silent.port},127.0.0.1:${server.port}/d`, { signal: stop.signal }),
        (error) => error === reason,
      );
      silent.server.close();
    });
    it("before the start, too", async () => {
      const reason = new Error("already stopped");
      await assert.rejects(open(server.url(), { signal: AbortSignal.abort(reason) }), (error) => error === reason);
    });
    it("has no hold on an open session", async () => {
      const stop = new AbortController();
      const client = await open(server.url(), { signal: stop.signal });
      stop.abort();
      assert.equal(await value(client, "select 1"), "1");
      await client.end();
    });
  });

  describe("a lost session", () => {
    async function terminate(client: pg.Client): Promise<void> {
      const pid = await value(client, "select pg_backend_pid()");
      const admin = await server.connect();
      // Not events.once: it takes the 'error' event, which is what this is about, for its own.
      const ended = new Promise((resolve) => client.once("end", resolve));
      await admin.query("select pg_terminate_backend($1)", [pid]);
      await ended;
      await admin.end();
    }
    it("while idle: the process lives, the next query says so, end() returns", async () => {
      const client = await open(server.url(), { side: "target" });
      await terminate(client);
      await assert.rejects(client.query("select 1"), {
        code: "TARGET_LOST",
        message: /127\.0\.0\.1:\d+: terminating connection due to administrator command/,
      });
      await assert.rejects(client.query("select $1::int", [1]), { code: "TARGET_LOST" });
      await client.end();
    });
    it("in the middle of a query", async () => {
      const client = await open(server.url());
      const pid = await value(client, "select pg_backend_pid()");
      const running = assert.rejects(client.query("select pg_sleep(60)"), { code: "SOURCE_LOST" });
      const admin = await server.connect();
      await admin.query("select pg_terminate_backend($1)", [pid]);
      await running;
      await admin.end();
      await client.end();
    });
    it("an error of the server stays as it is, and the session goes on", async () => {
      const client = await open(server.url());
      await assert.rejects(client.query("select 1/0"), { code: "22012", severity: "ERROR" });
      assert.equal(await value(client, "select 1"), "1");
      await client.end();
    });
  });
});
