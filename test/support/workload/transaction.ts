import type pg from "pg";
import { keyedOperations, partitionAndMultisetOperations, truncatedOperations } from "./more-operations.ts";
import { accountOperations, documentOperations, type Operation, type Work } from "./operations.ts";

/** Every operation by name, with how often it is drawn; 10 unless listed. TRUNCATE and wide updates lock much, so they are rare. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...accountOperations,
  ...documentOperations,
  ...keyedOperations,
  ...partitionAndMultisetOperations,
  ...truncatedOperations,
};
const WEIGHTS: Readonly<Record<string, number>> = {
  "update many accounts": 1,
  "rotate all seats": 2,
  "truncate scratch": 1,
  "truncate family": 1,
};
const DRAW = Object.keys(OPERATIONS).flatMap((name) => Array.from({ length: WEIGHTS[name] ?? 10 }, () => name));

/** Names of all operations, and of the shapes that transactions take. */
export const OPERATION_NAMES: readonly string[] = Object.keys(OPERATIONS);
export const SHAPE_NAMES = [
  "commit",
  "rollback",
  "long",
  "savepoint released",
  "savepoint rolled back",
  "more than 64 subtransactions",
] as const;

export interface TransactionPlan {
  readonly run: string;
  readonly writer: number;
  readonly number: number;
  /** Whether two-phase commit may be used. */
  readonly prepared: boolean;
  /** Whether commits may be acknowledged before they are on disk. */
  readonly asyncCommits: boolean;
}

/**
 * - `writing`: nothing can have been committed yet.
 * - `ending`: COMMIT is on its way; a connection lost now leaves the outcome unknown.
 */
export interface Progress {
  phase: "writing" | "ending";
  readonly done: string[];
}

/** Runs one transaction of the workload. True when it was committed, false when it chose to roll back. */
export async function runTransaction(work: Work, plan: TransactionPlan, progress: Progress): Promise<boolean> {
  const { client, random } = work;
  const isolation = random.chance(0.15) ? random.pick(["repeatable read", "serializable"]) : "read committed";
  await client.query(`begin isolation level ${isolation}`);
  await client.query(`set local synchronous_commit = ${random.pick(plan.asyncCommits ? ["on", "off", "local"] : ["on", "local"])}`);
  await client.query("insert into ledger values ($1, $2, $3)", [plan.run, plan.writer, plan.number]);
  const long = random.chance(0.005);
  for (let steps = random.integer(1, 5); steps > 0; steps -= 1) {
    await runStep(work, progress);
    if (long && steps === 1) {
      await client.query("select pg_sleep($1)", [random.integer(1000, 3000) / 1000]);
      progress.done.push("long");
    }
  }
  if (random.chance(0.01)) await manySubtransactions(work, progress);
  if (random.chance(0.07)) {
    await client.query("rollback");
    progress.done.push("rollback");
    return false;
  }
  return await end(work, plan, progress);
}

async function runStep(work: Work, progress: Progress): Promise<void> {
  const name = work.random.pick(DRAW);
  const operation = OPERATIONS[name] as Operation;
  if (!work.random.chance(0.2)) {
    await operation(work);
    progress.done.push(name);
    return;
  }
  await work.client.query("savepoint step");
  const released = work.releasing.length;
  await operation(work);
  if (work.random.chance(0.4)) {
    await work.client.query("rollback to savepoint step");
    work.releasing.length = released;
    progress.done.push("savepoint rolled back");
  } else {
    if (work.random.chance(0.3)) await runStep(work, progress);
    await work.client.query("release savepoint step");
    progress.done.push(name, "savepoint released");
  }
}

/** Past 64 a backend's list of subtransactions overflows and snapshots must ask pg_subtrans (PGPROC_MAX_CACHED_SUBXIDS). */
async function manySubtransactions({ client, random }: Work, progress: Progress): Promise<void> {
  const lost = random.integer(1, 9);
  const statements = Array.from({ length: random.integer(65, 90) }, (_, index) => {
    const undo = index % 10 === lost ? "rollback to savepoint many; " : "";
    return `savepoint many; insert into scratch (text) values ('sub ${index}'); ${undo}release savepoint many;`;
  });
  await client.query(statements.join("\n"));
  progress.done.push("more than 64 subtransactions");
}

async function end(work: Work, plan: TransactionPlan, progress: Progress): Promise<boolean> {
  const { client, random } = work;
  if (!plan.prepared || !random.chance(0.1)) {
    progress.phase = "ending";
    await client.query("commit");
    progress.done.push("commit");
    return true;
  }
  const gid = `${plan.run}/${plan.writer}/${plan.number}`;
  progress.phase = "ending";
  await client.query(`prepare transaction '${gid}'`);
  if (random.chance(0.5)) await client.query("select pg_sleep($1)", [random.integer(0, 300) / 1000]);
  const committed = random.chance(0.85);
  await client.query(`${committed ? "commit" : "rollback"} prepared '${gid}'`);
  progress.done.push(committed ? "commit prepared" : "rollback prepared");
  return committed;
}

/** Rolls back what a writer (or, without one, a whole run) left prepared. */
export async function rollBackPrepared(client: pg.ClientBase, run: string, writer?: number): Promise<void> {
  const prefix = writer === undefined ? `${run}/` : `${run}/${writer}/`;
  const { rows } = await client.query(
    "select format('rollback prepared %L', gid) as sql from pg_prepared_xacts where starts_with(gid, $1) and database = current_database()",
    [prefix],
  );
  for (const row of rows as { sql: string }[]) await client.query(row.sql);
}
