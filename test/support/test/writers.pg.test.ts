import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createDatabase, query, waitFor } from "../database.ts";
import { type PgVersion, startServer } from "../pg-server.ts";
import { OPERATION_NAMES, SHAPE_NAMES } from "../workload/transaction.ts";
import { createWorkloadSchema, startWriters, type Writers } from "../writers.ts";

const SERVER = { settings: { max_prepared_transactions: "20" } };
const ROWS = 2000;

for (const version of [13, 18] satisfies PgVersion[]) {
  test(`PostgreSQL ${version}: six writers do all they promise, and the log shows it`, async () => {
    await using server = await startServer({ version, ...SERVER });
    const database = await createDatabase(server);
    const client = await database.connect();
    await createWorkloadSchema(client, { rows: ROWS });
    await query(client, "select pg_create_logical_replication_slot('watch', 'test_decoding')");
    const writers = startWriters(database.url, { seed: version, rows: ROWS, prepared: true });
    const never = () =>
      [...OPERATION_NAMES, ...SHAPE_NAMES, "commit prepared"].filter((name) => writers.stats.operations[name] === undefined);
    await waitFor(() => never().length === 0 || writers.errors.length > 0, { deadlineMs: 90_000, what: "every operation to be done" });
    const stats = await writers.stop();
    assert.deepEqual(writers.errors, []);
    assert.deepEqual(never(), []);
    assert.ok(stats.committed > 100, `${stats.committed} committed`);
    assert.equal(stats.unknown, 0);
    assert.equal(stats.connections, 6);

    const ledger = await query<{ n: number }>(client, "select count(*)::int as n from ledger");
    assert.equal(ledger[0]?.n, stats.committed, "the ledger and the count of commits agree");
    assert.deepEqual(await writers.ledgerProblems(database.url), []);
    assert.deepEqual(await query(client, "select pid from pg_stat_activity where application_name like 'writer %'"), []);
    assert.deepEqual(await query(client, "select gid from pg_prepared_xacts"), []);

    const decoded = await query<{ data: string }>(client, "select data from pg_logical_slot_peek_changes('watch', null, null)");
    for (const [what, pattern] of Object.entries(STREAM)) {
      assert.ok(
        decoded.some(({ data }) => pattern.test(data)),
        `the stream has no ${what}`,
      );
    }
    await client.end();
  });
}

/** What a follower of the log must cope with, as test_decoding prints it. */
const STREAM: Readonly<Record<string, RegExp>> = {
  "update with unchanged TOAST": /^table public\.documents: UPDATE: (?!old-key).*unchanged-toast-datum/,
  "key change with unchanged TOAST": /^table public\.documents: UPDATE: old-key: id\[bigint\].*new-tuple:.*unchanged-toast-datum/,
  "key change by REPLICA IDENTITY USING INDEX": /^table public\.devices: UPDATE: old-key: serial_no/,
  "key change of GENERATED ALWAYS": /^table public\.orders: UPDATE: old-key/,
  "whole old row of REPLICA IDENTITY FULL": /^table public\.audit_log: UPDATE: old-key: kind.*amount.*new-tuple/,
  "whole deleted row of REPLICA IDENTITY FULL": /^table public\.audit_log: DELETE: kind\[text\].*amount/,
  "TRUNCATE of two tables": /^table public\.parents, public\.children: TRUNCATE|^table public\.children, public\.parents: TRUNCATE/,
  "TRUNCATE of one": /^table public\.scratch: TRUNCATE/,
  "quoted name": /^table "Odd Schema"\."Some ""quoted"" Table": /,
  "change in a partition": /^table public\.events_middle: /,
};

test("a unique conflict of the deferrable constraint cannot be seen after any commit", async () => {
  await using server = await startServer({ version: 16 });
  const database = await createDatabase(server);
  const client = await database.connect();
  await createWorkloadSchema(client, { rows: 200 });
  const writers = startWriters(database.url, { seed: 5, rows: 200, writers: 3 });
  await waitFor(() => (writers.stats.operations["rotate all seats"] ?? 0) > 0, { deadlineMs: 60_000, what: "a rotation" });
  await writers.stop();
  assert.deepEqual(await query(client, "select count(*)::int as n, count(distinct seat)::int as seats from seats"), [{ n: 40, seats: 40 }]);
  await client.end();
});

describe("when the server goes away", () => {
  test("writers reconnect, and the ledger holds what was acknowledged and nothing that was not", async () => {
    await using server = await startServer({ version: 15, ...SERVER });
    const database = await createDatabase(server);
    const client = await database.connect();
    await createWorkloadSchema(client, { rows: ROWS });
    const writers = startWriters(database.url, { seed: 3, rows: ROWS, prepared: true, asyncCommits: false });
    await moreCommits(writers, 50);
    await server.restart();
    await moreCommits(writers, 50);
    await server.kill9();
    await server.start();
    await moreCommits(writers, 50);
    const stats = await writers.stop();
    assert.deepEqual(writers.errors, []);
    assert.deepEqual(await writers.ledgerProblems(database.url), []);
    assert.ok(stats.connections >= 12, `${stats.connections} connections`);
    assert.deepEqual(await query(database, "select gid from pg_prepared_xacts"), []);
  });

  test("stop() ends also while the server is down", async () => {
    const server = await startServer({ version: 15 });
    const database = await createDatabase(server);
    const client = await database.connect();
    await createWorkloadSchema(client, { rows: 100 });
    const writers = startWriters(database.url, { seed: 3, rows: 100, rate: 100 });
    await moreCommits(writers, 5);
    await server.kill9();
    await waitFor(() => (writers.stats.failures.ECONNREFUSED ?? 0) > 0, { deadlineMs: 10_000, what: "writers to notice" });
    await writers.stop();
    await server[Symbol.asyncDispose]();
    assert.deepEqual(writers.errors, []);
  });
});

test("the ledger names a commit that is missing and a rollback that is there", async () => {
  await using server = await startServer({ version: 17 });
  const database = await createDatabase(server);
  const client = await database.connect();
  await createWorkloadSchema(client, { rows: 100 });
  const writers = startWriters(database.url, { seed: 1, rows: 100, writers: 1 });
  await waitFor(() => writers.stats.rolledBack > 0 && writers.stats.committed > 0, { deadlineMs: 30_000, what: "a commit and a rollback" });
  const { committed, rolledBack } = await writers.stop();
  const [{ run, last } = { run: "", last: 0 }] = await query<{ run: string; last: number }>(
    client,
    "select run, max(number)::int as last from ledger group by run",
  );
  await query(client, "delete from ledger where number = $1", [last]);
  assert.deepEqual(await writers.ledgerProblems(database.url), [`${run}/1/${last} was committed and is missing`]);
  await query(client, "insert into ledger select $1, 1, n from generate_series(1, $2::int) n on conflict do nothing", [
    run,
    committed + rolledBack,
  ]);
  const problems = await writers.ledgerProblems(database.url);
  assert.equal(problems.length, rolledBack);
  assert.match(problems[0] ?? "", /was rolled back and is there/);
  await client.end();
});

test("writers follow when they are led to another server, and errors of no healthy application are kept", async () => {
  await using server = await startServer({ version: 17 });
  const [one, two] = [await createDatabase(server), await createDatabase(server)];
  for (const database of [one, two]) {
    const client = await database.connect();
    await createWorkloadSchema(client, { rows: 100 });
    await client.end();
  }
  const writers = startWriters(one.url, { seed: 1, rows: 100, writers: 2, rate: 200 });
  await moreCommits(writers, 5);
  assert.deepEqual(writers.errors, []);
  await query(two, "drop table accounts cascade");
  writers.redirect(two.url);
  await waitFor(() => writers.errors.some((error) => /relation "accounts" does not exist/.test(error.message)), {
    deadlineMs: 10_000,
    what: "an error",
  });
  await writers.stop();
  assert.notEqual((await query<{ n: number }>(two, "select count(*)::int as n from ledger"))[0]?.n, 0);
});

async function moreCommits(writers: Writers, more: number): Promise<void> {
  const enough = writers.stats.committed + more;
  await waitFor(() => writers.stats.committed >= enough || writers.errors.length > 0, { deadlineMs: 30_000, what: `${more} more commits` });
}
