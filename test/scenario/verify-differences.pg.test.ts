/** Never a false "equal": somebody writes at the target, past the stream, in every way that a digest might overlook. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { CliHandle, CliResult } from "../support/run-cli.ts";
import { CANARY, type Move, newMove, type Pair, startPair } from "./move-bench.ts";
import { CASES, type DifferenceCase, TYPES } from "./verify-cases.ts";

interface Difference {
  readonly kind: string;
  readonly key: readonly string[];
  readonly columns: readonly string[];
  readonly times?: number;
}

describe("differences at the target", { timeout: deadline(300_000) }, () => {
  let pair: Pair;
  let move: Move;
  let running: CliHandle;
  let diff: CliResult;
  const touched = CASES.filter(({ atTarget }) => atTarget !== undefined);

  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15 });
    move = await newMove(pair, { sql: `${TYPES};\n${CASES.map(({ create }) => create).join(";\n")}`, timeoutMs: 280_000 });
    running = move.start(["run"]);
    await running.waitFor(/phase=streaming/, 90_000);
  });
  after(() => pair[Symbol.asyncDispose]());

  it("before anybody touches the target every table is equal", async () => {
    const verified = await move.run(["verify", "run"]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /^equal at [0-9A-F]+\/[0-9A-F]+$/m);
  });

  it("verify run names each table that was touched, no other, and exits 12", async () => {
    for (const { atTarget = "" } of touched) await query(move.targetDb, `set session_replication_role = replica; ${atTarget}`);
    const text = await move.run(["verify", "run"]);
    assert.equal(text.code, 12, text.stderr);
    for (const { table, atTarget } of CASES)
      assert.match(text.stdout, new RegExp(`^public\\.${table}\t${atTarget === undefined ? "equal" : "DIFFERENT"}\t`, "m"));
    assert.match(text.stderr, /^Code: DIFFERENCES_FOUND$/m);
    assert.match(text.stderr, /^Try this: pghaul verify diff --table public\.bag_changed$/m);
  });

  it("verify diff names the key, the columns and the side", async () => {
    diff = await move.run(["verify", "diff", "--json"]);
    assert.equal(diff.code, 12, diff.stdout);
    const { result, error } = diff.json();
    assert.equal(error?.code, "DIFFERENCES_FOUND");
    assert.equal(result.verdict, "different");
    const differing = result.tables.filter((table: { equal: boolean }) => !table.equal).map(({ table }: { table: string }) => table);
    assert.deepEqual(differing.sort(), touched.map(({ table }) => `public.${table}`).sort());
    const found = new Map<string, readonly Difference[]>(
      result.tables.map(({ table, differences }: { table: string; differences: Difference[] }) => [table, differences]),
    );
    for (const expected of CASES) checkDifferences(expected, found.get(`public.${expected.table}`) ?? []);
  });

  it("in words too; only as many rows as asked for, and then it says so; never a value, never a password", async () => {
    const text = await move.run([
      "verify",
      "diff",
      "--table",
      "public.secrets",
      "--table",
      "public.parted",
      "--table",
      "public.shifted",
      "--limit",
      "3",
    ]);
    assert.equal(text.code, 12, text.stderr);
    assert.equal(text.stdout.match(/^public\.secrets\t\d+\tdiffers in v$/gm)?.length, 3, text.stdout);
    assert.match(text.stdout, /^public\.parted\t12, a\tmissing at the target$/m);
    assert.match(text.stdout, /^public\.parted\t12, b\textra at the target$/m);
    assert.match(text.stdout, /^public\.shifted\t5\tdiffers in a, b$/m);
    assert.match(text.stderr, /6 differing rows named; there may be more in public\.secrets: --limit 3 was reached/);
    for (const output of [diff.stdout, diff.stderr, text.stdout, text.stderr]) assert.doesNotMatch(output, /pan-4|alarmed/);
    const state = join(move.dir, ".pghaul");
    const recorded = ["state.db", "state.db-wal"].map((file) => join(state, file)).filter((file) => existsSync(file));
    const written = recorded.map((file) => readFileSync(file, "latin1"));
    assert.ok(
      written.some((text) => text.includes("public.secrets")),
      "the verdicts are on record",
    );
    for (const output of [diff.stdout, text.stdout, text.stderr, running.stderr(), ...written])
      assert.ok(!output.includes(CANARY) && !output.includes("pan-4"));
  });

  it("under writes to the very same rows the answer is the same", async () => {
    const writer = await move.sourceDb.connect();
    let writing = true;
    const writes = (async () => {
      for (let n = 0; writing; n += 1) {
        // Unchanged TOAST on the row that differs in just that; keys that come, go and change around the one that is missing.
        await writer.query(`update toasted set small = 'n${n}' where id = 2; insert into row_missing values (${100 + n});
          update row_missing set id = -id where id = ${100 + n}; delete from row_missing where id = ${-100 - n};
          insert into shifted values (${100 + n}, '', '', 0); update key_scale set n = ${n} + 1000.10 where v = 20;
          insert into key_array values (array[${n}, 0], '{}', ${n}); update key_array set v = -1 where k = array[${n}, 0]`);
      }
    })();
    try {
      for (let round = 0; round < 2; round += 1) {
        const asked = ["toasted", "row_missing", "shifted", "key_scale", "key_array", "untouched"];
        const found = await move.run(["verify", "diff", "--json", ...asked.flatMap((table) => ["--table", `public.${table}`])]);
        assert.equal(found.code, 12, found.stdout);
        for (const { table, differences } of found.json().result.tables)
          checkDifferences(CASES.find((one) => `public.${one.table}` === table) as DifferenceCase, differences);
      }
    } finally {
      writing = false;
      await writes;
      await writer.end();
    }
  });

  it("--table compares only that; a name that is not there is told with the nearest that is", async () => {
    const only = await move.run(["verify", "run", "--json", "--table", "public.untouched", "--table", "public.empty"]);
    assert.equal(only.code, 0, only.stdout);
    assert.deepEqual(
      only
        .json()
        .result.tables.map(({ table }: { table: string }) => table)
        .sort(),
      ["public.empty", "public.untouched"],
    );
    const patterns = await move.run(["verify", "run", "--json", "--table", "public.untou*", "--table", "emp?y"]);
    assert.equal(patterns.code, 0, patterns.stdout);
    assert.deepEqual(
      patterns
        .json()
        .result.tables.map(({ table }: { table: string }) => table)
        .sort(),
      ["public.empty", "public.untouched", "public.untouched_bag"],
    );
    const nothing = await move.run(["verify", "diff", "--table", "other.*"]);
    assert.equal(nothing.code, 2, nothing.stdout);
    assert.match(nothing.stderr, /no table matches other\.\*/);
    for (const command of ["run", "diff"]) {
      const unknown = await move.run(["verify", command, "--table", "public.untuched"]);
      assert.equal(unknown.code, 2, unknown.stdout);
      assert.match(unknown.stderr, /no table public\.untuched in this migration; did you mean public\.untouched\?/);
    }
  });

  it("Ctrl-C ends it at once with 130: a digest that runs, and a lock that is waited for", async () => {
    for (const hold of ["begin; reindex index filled_pkey", "begin; lock table filled in access exclusive mode"]) {
      const holder = await move.targetDb.connect();
      try {
        await holder.query(hold);
        const verifying = move.start(["verify", "run", "--json", "--table", "public.filled"]);
        await waitFor(async () => (await query(move.targetDb, WAITING)).length > 0, { deadlineMs: 60_000, what: "verify to wait" });
        const began = Date.now();
        const stopped = await verifying.kill("SIGINT");
        assert.equal(stopped.code, 130, stopped.stdout + stopped.stderr);
        assert.equal(stopped.json().error?.code, "INTERRUPTED");
        assert.ok(Date.now() - began < deadline(20_000), `${Date.now() - began} ms`);
        // And nothing of it stays at the server.
        await waitFor(async () => (await query(move.targetDb, WAITING)).length === 0, { deadlineMs: 30_000, what: "its session to end" });
      } finally {
        await holder.end();
      }
    }
  });

  it("before a table is on record, or while it loads, there is no verdict", async () => {
    const early = await newMove(pair, { sql: "create table items (id int primary key); insert into items values (1)" });
    const idle = await early.run(["verify", "run", "--json"]);
    assert.equal(idle.code, 75, idle.stdout);
    assert.equal(idle.json().error?.code, "STREAM_NOT_RUNNING");
    // Who loads waits for this writer, which is older than the slot.
    const older = await early.sourceDb.connect();
    try {
      await older.query("begin; insert into items values (2)");
      const loading = early.start(["run"]);
      await waitFor(
        async () => {
          const answer = await early.run(["verify", "run", "--json"]);
          assert.equal(answer.code, 75, answer.stdout);
          return /no table is on record|still loading/.test(answer.stdout);
        },
        { deadlineMs: 60_000, what: "run to hold the lease" },
      );
      await loading.kill();
    } finally {
      await older.end();
    }
  });

  it("a target that is away is said to be away", async () => {
    await pair.target.stop();
    const away = await move.run(["verify", "run", "--json", "--table", "public.untouched"]);
    assert.equal(away.code, 21, away.stdout);
    assert.match(away.json().error?.code ?? "", /^TARGET_(UNREACHABLE|LOST)$/);
  });
});

function checkDifferences({ table, atTarget, differences }: DifferenceCase, found: readonly Difference[]): void {
  if (atTarget !== undefined && differences === undefined) throw new Error(`${table}: say what differs`);
  const inOrder = (list: readonly object[]): string[] => list.map((one) => JSON.stringify(one)).sort();
  const shown = found.map(({ kind, key, columns, times }) => (times === undefined ? { kind, key, columns } : { kind, times }));
  assert.deepEqual(inOrder(shown), inOrder(differences ?? []), table);
}

const WAITING =
  "select from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.application_name like 'pghaul%verify%'";
