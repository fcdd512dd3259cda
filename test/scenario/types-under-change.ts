import assert from "node:assert/strict";
import { assertEqualDatabases } from "../support/compare.ts";
import { query, waitFor } from "../support/database.ts";
import { changeTypes } from "../support/types/changes.ts";
import { createTypesSchema } from "../support/types-schema.ts";
import { newMove, type Pair } from "./move-bench.ts";
import { watchPeakMemory } from "./resident-memory.ts";

export interface TypesJourney {
  readonly hugeRowBytes?: number;
  /** Tables are made at the target by the same script; without, pg_dump makes them. */
  readonly existing?: boolean;
}

/**
 * Every type and every difficult shape through the load, then through the stream. Returns the most memory `run` took, in megabytes.
 */
export async function moveTypes(pair: Pair, { hugeRowBytes = 200_000, existing = false }: TypesJourney = {}): Promise<number | null> {
  const forVersion = Math.min(pair.source.version, pair.target.version);
  const move = await newMove(pair, {
    prepare: async (client) => {
      await createTypesSchema(client, { forVersion, hugeRowBytes });
      if (pair.source.version < 16) await client.query(WITHOUT_RAW_BYTES);
    },
    ...(existing ? { targetSql: "select" } : {}),
    timeoutMs: 280_000,
  });
  if (existing) {
    const client = await move.targetDb.connect();
    await createTypesSchema(client, { forVersion, hugeRowBytes: 0 });
    const { rows } = await client.query("select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'types'");
    await client.query(`truncate ${(rows as { name: string }[]).map(({ name }) => name).join(", ")} restart identity`);
    await client.end();
  }
  const running = move.start(["run"]);
  const peak = watchPeakMemory(running);
  await running.waitFor(/phase=streaming/, 240_000);
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  const client = await move.sourceDb.connect();
  await changeTypes(client);
  const { rows } = await client.query("select pg_current_wal_insert_lsn()::text as lsn");
  await client.query("select pg_logical_emit_message(true, 'test', '')");
  await client.end();
  await waitFor(
    async () => {
      if (running.child.exitCode !== null) throw new Error(running.stderr());
      const [row] = await query<{ passed: boolean }>(
        move.targetDb,
        "select max(position) >= $1::pg_lsn as passed from pghaul.progress where stream = 'forward'",
        [rows[0]?.lsn],
      );
      return row?.passed;
    },
    { deadlineMs: 120_000, what: "the changes to arrive", everyMs: 200 },
  );
  await assertEqualDatabases(move.sourceDb.url, move.targetDb.url);
  const verified = await move.run(["verify", "run", "--json"]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal((await running.kill("SIGINT")).code, 130, running.stderr());
  return peak;
}

/** Before 16 a "char" past 127 prints as a byte that is no text in any multibyte encoding: no tool can carry it, pg_dump neither. */
const WITHOUT_RAW_BYTES = `
  update types.every_type set t__char_quoted = 'z' where t__char_quoted::int < 0;
  update types.every_array set t__char_quoted = array['a', null]::"char"[] where id = 1;
  delete from types.key__char_quoted where id::int < 0`;
