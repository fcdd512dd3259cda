import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { createDatabase, query, waitFor } from "../database.ts";
import { PG_VERSIONS, startServer } from "../pg-server.ts";
import { aliasOf } from "../server/binaries.ts";
import { processesByLsof, processesIn } from "../server/processes.ts";

describe("a server of each version", () => {
  for (const version of PG_VERSIONS) {
    test(`PostgreSQL ${version} starts, restarts, survives SIGKILL and leaves nothing behind`, async () => {
      const server = await startServer({ version });
      assert.match(
        (await query<{ server_version: string }>(server.url(), "show server_version"))[0]?.server_version ?? "",
        new RegExp(`^${version}\\.`),
      );
      await query(server.url(), "create table t (id int); insert into t values (1)");
      const open = await server.connect();
      await server.restart();
      await assert.rejects(open.query("select 1"));
      await query(server.url(), "insert into t values (2)");
      await server.kill9();
      assert.deepEqual(processesIn(server.dataDir), []);
      await assert.rejects(server.connect(), /ECONNREFUSED/);
      await server.start();
      assert.match(server.logText(), /was not properly shut down/);
      assert.deepEqual(await query(server.url(), "select id from t order by id"), [{ id: 1 }, { id: 2 }]);
      await server[Symbol.asyncDispose]();
      assert.deepEqual(processesIn(server.dataDir), []);
      assert.equal(existsSync(dirname(server.dataDir)), false);
    });
  }
});

describe("starting", () => {
  test("two servers of one version are two clusters, on two ports", async () => {
    await using one = await startServer({ version: 16 });
    await using two = await startServer({ version: 16 });
    const identifier = "select system_identifier::text as id from pg_control_system()";
    assert.notEqual((await query(one.url(), identifier))[0]?.id, (await query(two.url(), identifier))[0]?.id);
    assert.notEqual(one.port, two.port);
  });

  test("many at once do not fight over ports or the template", async () => {
    const servers = await Promise.all(Array.from({ length: 4 }, () => startServer({ version: 15 })));
    assert.equal(new Set(servers.map(({ port }) => port)).size, 4);
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  });

  test("settings given win over the bench's", async () => {
    await using server = await startServer({ version: 17, settings: { wal_level: "replica", application_name: "it's" } });
    assert.deepEqual(
      await query(server.url(), "select current_setting('wal_level') as level, current_setting('max_wal_senders') as senders"),
      [{ level: "replica", senders: "20" }],
    );
  });

  test("a setting that PostgreSQL refuses fails with the server's own words", async () => {
    await assert.rejects(
      startServer({ version: 17, settings: { no_such_setting: "1" } }),
      /unrecognized configuration parameter "no_such_setting"/,
    );
  });

  test("a taken port is refused", async () => {
    await using server = await startServer({ version: 17 });
    await assert.rejects(startServer({ version: 17, port: server.port }), /port \d+ is taken/);
  });

  test("a port that cannot be bound is given up after several tries, in the server's own words", async () => {
    await using server = await startServer({ version: 17 });
    const other = startServer({ version: 17, settings: { port: String(server.port) } });
    await assert.rejects(other, /did not start:[^]*could not create any TCP\/IP sockets/);
    assert.equal((await query(server.url(), "select 1 as one")).length, 1);
  });

  test("a role with a password must give it, the superuser need not", async () => {
    await using server = await startServer({ version: 13, passwords: { app: "p@ss/word" } });
    assert.deepEqual(await query(server.url("postgres", "app"), "select current_user::text as me"), [{ me: "app" }]);
    const wrong = server.url("postgres", "app").replace("p%40ss", "wrong");
    await assert.rejects(query(wrong, "select 1"), /password authentication failed/);
    const [role] = await query<{ rolpassword: string }>(server.url(), "select rolpassword from pg_authid where rolname = 'app'");
    assert.match(role?.rolpassword ?? "", /^SCRAM-SHA-256/);
  });

  test("logical replication works at once", async () => {
    await using server = await startServer({ version: 18 });
    await query(server.url(), "select pg_create_logical_replication_slot('s', 'pgoutput')");
    assert.equal((await query(server.url(), "select slot_name from pg_replication_slots")).length, 1);
  });
});

test("when the test process is killed, its server and data go too", async () => {
  const script = `
    import { startServer } from ${JSON.stringify(new URL("../pg-server.ts", import.meta.url).href)};
    const server = await startServer({ version: 18 });
    console.log(server.dataDir);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  const dataDir = output.toString().trim();
  assert.ok(processesIn(dataDir).length > 0);
  child.kill("SIGKILL");
  await waitFor(() => processesIn(dataDir).length === 0 && !existsSync(dirname(dataDir)), { deadlineMs: 10_000, what: "the watchdog" });
});

const noLsof = spawnSync("lsof", ["-v"]).error === undefined ? false : "needs lsof, which takes the place of /proc on macOS";

test("where there is no /proc, lsof names the same processes", { skip: noLsof }, async () => {
  await using server = await startServer({ version: 18 });
  await waitFor(
    () => {
      const found = processesByLsof(server.dataDir);
      assert.ok(found.length > 3);
      assert.deepEqual(found.sort(), processesIn(server.dataDir).sort());
      return true;
    },
    { deadlineMs: 10_000, what: "the same answer twice, while processes come and go" },
  );
});

test("a finished test process is not kept alive by a server it forgot", async () => {
  const script = `
    import { startServer } from ${JSON.stringify(new URL("../pg-server.ts", import.meta.url).href)};
    console.log((await startServer({ version: 18 })).dataDir);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  const dataDir = output.toString().trim();
  await waitFor(() => !existsSync(dirname(dataDir)), { deadlineMs: 10_000, what: "the forgotten server to go" });
});

// Only root runs servers as somebody else, so only root can have a checkout that they cannot read.
test("runs from a private checkout whose library links are missing", { skip: process.getuid?.() !== 0 }, async () => {
  const checkout = mkdtempSync(join(tmpdir(), "private-"));
  const version = `0.0.0-private-${process.pid}`;
  let caches: string[] = [];
  try {
    copyCheckout(checkout, version);
    const script = `
      import { startServer } from ${JSON.stringify(join(checkout, "test/support/pg-server.ts"))};
      await using server = await startServer({ version: 17 });
      console.log(server.dataDir);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [output] = (await once(child.stdout, "data")) as [Buffer];
    const bench = dirname(dirname(output.toString().trim()));
    caches = [`pg17-${version}`, `template-pg17-${version}`].map((name) => join(bench, name));
    assert.deepEqual(await once(child, "exit"), [0, null]);
    assert.deepEqual(caches.map(existsSync), [true, true]);
  } finally {
    for (const path of [checkout, ...caches]) rmSync(path, { recursive: true, force: true });
  }
});

function copyCheckout(checkout: string, version: string): void {
  const alias = aliasOf(17, process.platform, process.arch);
  const repository = realpathSync(new URL("../../..", import.meta.url));
  const modules = join(repository, "node_modules");
  cpSync(join(repository, "test/support"), join(checkout, "test/support"), { recursive: true });
  mkdirSync(join(checkout, "node_modules"));
  for (const name of readdirSync(modules)) if (name !== alias) symlinkSync(join(modules, name), join(checkout, "node_modules", name));
  const original = dirname(dirname(createRequire(import.meta.url).resolve(alias)));
  const copy = join(checkout, "node_modules", alias);
  cpSync(original, copy, { recursive: true, filter: (path) => !lstatSync(path).isSymbolicLink() });
  const manifest = JSON.parse(readFileSync(join(copy, "package.json"), "utf8")) as object;
  writeFileSync(join(copy, "package.json"), JSON.stringify({ ...manifest, version }));
}

describe("waitFor", () => {
  test("says what it waited for, and why the last try failed", async () => {
    const failing = waitFor(() => Promise.reject(new Error("still down")), { deadlineMs: 60, what: "the server to come back" });
    await assert.rejects(failing, (error: Error) => {
      assert.match(error.message, /^waited \d+ ms for the server to come back$/);
      assert.equal((error.cause as Error).message, "still down");
      return true;
    });
  });

  test("returns what the condition returned", async () => {
    let tries = 0;
    assert.equal(await waitFor(() => (++tries > 2 ? "there" : null), { deadlineMs: 1000, what: "three tries", everyMs: 1 }), "there");
  });
});

test("databases of one server are apart", async () => {
  await using server = await startServer({ version: 14 });
  const [one, two] = [await createDatabase(server), await createDatabase(server, 'Odd "name"')];
  await query(one, "create table t ()");
  assert.deepEqual(await query(two, "select count(*)::int as n from pg_tables where schemaname = 'public'"), [{ n: 0 }]);
  assert.deepEqual(await query(two, "select current_database()::text as name"), [{ name: 'Odd "name"' }]);
});
