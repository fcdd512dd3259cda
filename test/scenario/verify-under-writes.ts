/** A verdict while writes go on: equal, at a stated LSN, whatever the writers do and however often `run` is killed meanwhile. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { seededRandom } from "../support/random.ts";
import type { CliHandle, CliResult } from "../support/run-cli.ts";
import { startWriters, type Writers } from "../support/writers.ts";
import { type Bench, openBench } from "./migration-bench.ts";

const ROWS = 4_000;
const SEED = Number(process.env.PGHAUL_TEST_SEED ?? 20261121);

export interface WriteRounds {
  /** Verifications while `run` lives. */
  readonly quiet: number;
  /** Verifications while it is killed again and again. */
  readonly killed: number;
  /** Transactions a second of six writers; null for as many as they can. */
  readonly rate: number | null;
}

export function describeVerifyUnderWrites({ quiet, killed, rate }: WriteRounds): void {
  describe("verify run while writes go on", { timeout: deadline(900_000) }, () => {
    let bench: Bench;
    let running: CliHandle;
    let writers: Writers;
    let tables = 0;
    let last = 0n;
    before(async () => {
      bench = await openBench({ from: 14, to: 15, rows: ROWS });
      running = bench.start(["run"]);
      await running.waitFor(/phase=streaming/, 90_000);
      tables = (await bench.run(["status", "--json"])).json().result.tables.length;
      writers = startWriters(bench.sourceDb.url, {
        seed: SEED,
        rows: ROWS,
        prepared: true,
        asyncCommits: false,
        ...(rate === null ? {} : { rate }),
      });
    });
    after(async () => {
      await writers.stop();
      await running.kill();
      await bench[Symbol.asyncDispose]();
    });

    /** Equal in every table, and not at an LSN that an earlier verdict had passed. */
    function assertEqual(verified: CliResult): void {
      assert.equal(
        verified.code,
        0,
        `seed ${SEED}: ${verified.stdout}${verified.stderr} RUN: ${running.child.exitCode} ${running.stderr()}`,
      );
      const { verdict, lsn, tables: found } = verified.json().result;
      assert.equal(verdict, "equal");
      assert.equal(found.length, tables);
      for (const one of found) assert.deepEqual([one.equal, one.rows], [true, one.targetRows], JSON.stringify(one));
      assert.ok(lsnOf(lsn) > last, `${lsn} after ${last.toString(16)}`);
      last = lsnOf(lsn);
    }

    it("several in a row are equal under six writers", async () => {
      for (let round = 0; round < quiet; round += 1) assertEqual(await bench.run(["verify", "run", "--json"]));
    });

    it("and more while run is killed with SIGKILL and started again, between them and during them", async () => {
      const random = seededRandom(SEED);
      const done = new AbortController();
      let kills = 0;
      const killing = (async () => {
        while (!done.signal.aborted) {
          // A life that is too short to apply anything would bring no verification forward either.
          const before = await position();
          await waitFor(async () => (await position()) !== before, { deadlineMs: 90_000, what: "the stream to move" });
          await sleep(random.integer(0, 1_500), undefined, { signal: done.signal }).catch(() => undefined);
          await running.kill();
          kills += 1;
          running = bench.start(["run"]);
        }
      })();
      try {
        for (let round = 0; round < killed; round += 1) {
          // Between a kill and the lease of the next life nobody streams, which is said at once.
          const verified = await waitFor(
            async () => {
              const result = await bench.run(["verify", "run", "--json"]);
              return result.code === 75 && result.json().error?.code === "STREAM_NOT_RUNNING" ? null : result;
            },
            { deadlineMs: 60_000, what: "a verification that found a stream" },
          );
          assertEqual(verified);
        }
      } finally {
        done.abort();
        await killing;
      }
      assert.ok(kills >= 2, `${kills} kills`);
    });

    it("and the verdicts were true: the ledger and SQL of its own say so when the writers rest", async () => {
      await writers.stop();
      assert.deepEqual(writers.errors, []);
      await running.waitFor(/phase=streaming/, 90_000);
      await settled();
      assertEqual(await bench.run(["verify", "run", "--json"]));
      await assertEqualDatabases(bench.sourceDb.url, bench.targetDb.url);
      assert.deepEqual(await writers.ledgerProblems(bench.targetDb.url), []);
    });

    it("a TRUNCATE between its snapshot and its reading waits: the old snapshot would see an empty table", async () => {
      await writers.stop();
      await query(bench.sourceDb, "insert into scratch (text) select 'kept' from generate_series(1, 100)");
      await settled();
      const holder = await bench.targetDb.connect();
      try {
        await holder.query("begin; lock table scratch in access exclusive mode");
        const verifying = bench.start(["verify", "run", "--json", "--table", "public.scratch"]);
        // The source's snapshot is taken by now.
        await waitFor(async () => (await query(bench.targetDb, blockedOn("scratch"))).length > 0, {
          deadlineMs: 60_000,
          what: "verify at the target",
        });
        let truncated = false;
        const truncate = query(bench.sourceDb, "truncate scratch").then(() => {
          truncated = true;
        });
        await waitFor(async () => truncated || (await query(bench.sourceDb, blockedOn("scratch"))).length > 0, {
          deadlineMs: 60_000,
          what: "TRUNCATE",
        });
        await holder.query("commit");
        const verified = await verifying.done;
        assert.equal(verified.code, 0, verified.stdout);
        assert.notEqual(verified.json().result.tables[0].rows, "0");
        await truncate;
      } finally {
        await holder.end();
      }
    });

    it("waits for a run that is started again, and gives up when none is", async () => {
      const holder = await bench.targetDb.connect();
      try {
        await stallStream(holder);
        const patient = bench.start(["verify", "run", "--json", "--table", "public.seats"]);
        await verifying();
        await running.kill();
        running = bench.start(["run"]);
        await waitFor(() => running.stderr().includes("phase="), { deadlineMs: 60_000, what: "run to begin" });
        await holder.query("commit");
        const verified = await patient.done;
        assert.equal(verified.code, 0, verified.stdout);
        assert.equal(verified.json().result.verdict, "equal");

        await running.waitFor(/phase=streaming/, 90_000);
        await stallStream(holder);
        const forlorn = bench.start(["verify", "run", "--json", "--table", "public.seats"]);
        await verifying();
        await running.kill();
        const given = await forlorn.done;
        assert.equal(given.code, 75, given.stdout);
        assert.equal(given.json().error?.code, "STREAM_NOT_RUNNING");
        const refused = await bench.run(["verify", "diff"]);
        assert.equal(refused.code, 75, refused.stdout);
        assert.match(refused.stderr, /^Try this: pghaul run$/m);
      } finally {
        await holder.end();
      }
    });

    async function position(): Promise<string | undefined> {
      const [row] = await query<{ position: string }>(
        bench.targetDb,
        "select position::text from pghaul.progress where stream = 'forward'",
      );
      return row?.position;
    }

    /** The stream cannot apply what this writes until the holder ends its transaction. */
    async function stallStream(holder: Awaited<ReturnType<Bench["targetDb"]["connect"]>>): Promise<void> {
      await holder.query("begin; lock table parents in access exclusive mode");
      await query(bench.sourceDb, "insert into parents (name) values ('held up')");
      await waitFor(async () => (await query(bench.targetDb, blockedOn("parents"))).length > 0, {
        deadlineMs: 60_000,
        what: "the stream to wait for the lock",
      });
    }

    function verifying(): Promise<unknown> {
      return waitFor(
        async () =>
          (await query(bench.targetDb, "select from pg_stat_activity where application_name like '%verify position%'")).length > 0,
        {
          deadlineMs: 60_000,
          what: "verify to wait for the stream",
        },
      );
    }

    /** The target has come to where the source is now. */
    async function settled(): Promise<void> {
      const [row] = await query<{ lsn: string }>(bench.sourceDb, "select pg_current_wal_insert_lsn()::text as lsn");
      await query(bench.sourceDb, "select pg_logical_emit_message(true, 'test', '')");
      await waitFor(
        async () => {
          const [reached] = await query<{ yes: boolean }>(
            bench.targetDb,
            "select max(position) >= $1::pg_lsn as yes from pghaul.progress where stream = 'forward'",
            [row?.lsn],
          );
          return reached?.yes;
        },
        { deadlineMs: 60_000, what: "the stream to catch up", everyMs: 100 },
      );
    }
  });
}

function blockedOn(table: string): string {
  return `select from pg_locks where not granted and relation = '${table}'::regclass`;
}

function lsnOf(text: string): bigint {
  assert.match(text, /^[0-9A-F]+\/[0-9A-F]+$/);
  const [high, low] = text.split("/") as [string, string];
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
