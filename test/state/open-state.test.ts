import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { ChunkStore } from "../../src/state/chunk-store.ts";
import { acquireLease, leaseHolder } from "../../src/state/lease.ts";
import { openExistingState, openState } from "../../src/state/open-state.ts";
import { MIGRATIONS } from "../../src/state/storage/migrate.ts";
import { temporaryDirectory, temporaryState } from "./temporary-state.ts";

function refusedWith(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof PghaulError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

function mode(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}

test("a new state is durable and closed to others, whatever the umask", async (t) => {
  const previous = process.umask(0);
  t.after(() => process.umask(previous));
  const database = await temporaryState(t);
  new ChunkStore(database, "target").planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
  assert.equal(mode(database.directory), "700");
  for (const file of readdirSync(database.directory)) assert.equal(mode(path.join(database.directory, file)), "600", file);
  assert.deepEqual(readdirSync(database.directory).sort(), ["state.db", "state.db-shm", "state.db-wal"]);
  assert.equal(database.sqlite.pragma("journal_mode", { simple: true }), "wal");
  assert.equal(database.sqlite.pragma("synchronous", { simple: true }), 2);
});

test("an empty directory that others may read is closed; one with other files in it keeps its mode", async (t) => {
  const directory = temporaryDirectory(t);
  for (const [name, files, expected] of [
    ["empty", [], "700"],
    ["shared", ["notes.txt"], "755"],
  ] as const) {
    const state = path.join(directory, name);
    mkdirSync(state);
    chmodSync(state, 0o755);
    for (const file of files) writeFileSync(path.join(state, file), "");
    (await openState(state)).close();
    assert.equal(mode(state), expected, name);
    assert.equal(mode(path.join(state, "state.db")), "600");
  }
});

test("what was written is there when it is opened again", async (t) => {
  const directory = path.join(temporaryDirectory(t), "deep", "state");
  const first = await openState(directory);
  const planned = new ChunkStore(first, "target").planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
  first.close();
  const second = await openState(directory);
  t.after(() => second.close());
  assert.deepEqual(new ChunkStore(second, "target").chunks("public.a"), planned);
});

test("looking at a state that is not there creates nothing", async (t) => {
  const directory = path.join(temporaryDirectory(t), "state");
  assert.equal(await openExistingState(directory), null);
  assert.equal(existsSync(directory), false);
});

test("an empty state.db, left by a crash, is taken as new", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(path.join(directory, "state.db"), "");
  const database = await openState(directory);
  t.after(() => database.close());
  assert.deepEqual(new ChunkStore(database, "target").chunks("public.a"), []);
});

test("a state of a newer pghaul is refused", async (t) => {
  const directory = temporaryDirectory(t);
  const database = await openState(directory);
  database.sqlite.prepare("insert into schema_version values (?, '2027-01-01T00:00:00Z')").run(MIGRATIONS.length + 1);
  database.close();
  const expected = `has schema version ${MIGRATIONS.length + 1}; this pghaul knows versions up to ${MIGRATIONS.length}`;
  await assert.rejects(openState(directory), refusedWith("STATE_NEWER", new RegExp(expected)));
});

test("a file that is no database is refused", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(path.join(directory, "state.db"), "this is not a database, and it is longer than the header of one would be: ".repeat(20));
  await assert.rejects(
    openState(directory),
    refusedWith("STATE_CORRUPT", /^not a SQLite database: the state directory .+ \(SQLITE_NOTADB\)$/),
  );
});

test("somebody else's SQLite database is refused and left alone", async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, "state.db");
  const foreign = new Database(file);
  foreign.exec("create table theirs (a)");
  foreign.close();
  await assert.rejects(openState(directory), refusedWith("STATE_CORRUPT", /is not one of pghaul's$/));
  const again = new Database(file);
  assert.deepEqual(again.prepare("select name from sqlite_schema").pluck().all(), ["theirs"]);
  again.close();
});

test("a damaged file is refused", async (t) => {
  const directory = temporaryDirectory(t);
  const database = await openState(directory);
  database.close();
  truncateSync(path.join(directory, "state.db"), 4096);
  await assert.rejects(openState(directory), refusedWith("STATE_CORRUPT", /^SQLite reports damage in the state directory/));
});

test("a full disk says so, nothing of the transaction stays, and work goes on once there is room", async (t) => {
  const database = await temporaryState(t);
  const store = new ChunkStore(database, "target");
  const pages = database.sqlite.pragma("page_count", { simple: true });
  database.sqlite.pragma(`max_page_count = ${pages}`);
  const key = "k".repeat(20_000);
  const range = { leaf: "0", from: { values: [key], inclusive: true }, to: null };
  assert.throws(
    () => store.planChunks("public.a", [range]),
    refusedWith("STATE_DISK_FULL", /^no space left for the state directory .+ \(SQLITE_FULL\)$/),
  );
  database.sqlite.pragma("max_page_count = 1000000");
  assert.deepEqual(store.chunks("public.a"), []);
  assert.equal(store.planChunks("public.a", [range]).length, 1);
});

test("a state directory that is a file is a matter of the configuration", async (t) => {
  const file = path.join(temporaryDirectory(t), "state");
  writeFileSync(file, "");
  await assert.rejects(openState(file), refusedWith("CONFIG_INVALID", /^a file blocks the path of the state directory/));
});

test("an older schema is brought up to date, but not under a process that streams", async (t) => {
  const directory = temporaryDirectory(t);
  const older = await openState(directory);
  new ChunkStore(older, "target").planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
  older.close();
  const newer = [...MIGRATIONS, "alter table chunk add column weight integer not null default 7"];

  const lease = await acquireLease(directory, "stream", "run");
  await assert.rejects(openState(directory, newer), refusedWith("STATE_LOCKED", new RegExp(`held by pid ${process.pid} \\(pghaul run\\)`)));
  lease.release();

  const upgraded = await openState(directory, newer);
  t.after(() => upgraded.close());
  assert.deepEqual(upgraded.sqlite.prepare("select table_id, weight from chunk").all(), [{ table_id: "public.a", weight: 7 }]);
  await assert.rejects(openState(directory), refusedWith("STATE_NEWER", /has schema version 2; this pghaul knows versions up to 1$/));
});

test("a schema change that fails leaves the old schema whole", async (t) => {
  const directory = temporaryDirectory(t);
  (await openState(directory)).close();
  await assert.rejects(
    openState(directory, [...MIGRATIONS, "create table later (a); select broken from nowhere"]),
    /no such table: nowhere/,
  );
  const database = await openState(directory);
  t.after(() => database.close());
  assert.deepEqual(database.sqlite.prepare("select name from sqlite_schema where name = 'later'").all(), []);
});

test("two stores write in one transaction: together or not at all", async (t) => {
  const database = await temporaryState(t);
  const store = new ChunkStore(database, "target");
  assert.throws(
    () =>
      database.write(() => {
        store.planChunks("public.a", [{ leaf: "0", from: null, to: null }]);
        throw new Error("the second store fails");
      }),
    /the second store fails/,
  );
  assert.deepEqual(store.chunks("public.a"), []);
});

test("a state that another user owns is not taken for none", {
  skip: process.geteuid?.() !== 0 && "only root can become another user",
}, async (t) => {
  const { directory } = await temporaryState(t);
  const lease = await acquireLease(directory, "stream", "run");
  chmodSync(path.dirname(directory), 0o755);
  process.seteuid?.(65_534);
  try {
    const message = /^no permission to read and write the state directory .* \(EACCES\)$/;
    await assert.rejects(openExistingState(directory), refusedWith("CONFIG_INVALID", message));
    await assert.rejects(leaseHolder(directory, "stream"), (error: unknown) => {
      assert.ok(error instanceof PghaulError);
      assert.match(error.suggestion ?? "", /sudo -u "\$\(id -nu 0\)"/);
      return refusedWith("CONFIG_INVALID", message)(error);
    });
  } finally {
    process.seteuid?.(0);
    lease.release();
  }
  assert.equal(await openExistingState(path.join(directory, "none")), null);
});
