/** PostgreSQL's own subscription, the peer of the stream. */
import type { Place } from "./equal-tables.ts";
import { polled, privateBytes, type Use, withProcessUse } from "./process-use.ts";
import { execute } from "./stage.ts";
import { until } from "./until.ts";

const LOOK_MILLIS = 20;
const WORKER = "select pid from pg_stat_subscription where relid is null and pid is not null";

export interface SubscriptionRequest {
  readonly source: Place;
  readonly target: Place;
  readonly publication: string;
  /** As in `with (...)`. */
  readonly options: string;
}

/** Makes a subscription called `bench`. */
export async function subscribe({ source, target, publication, options }: SubscriptionRequest): Promise<void> {
  const connection = `host=127.0.0.1 port=${source.server.port} user=postgres dbname=${source.database}`;
  const sql = `create subscription bench connection '${connection}' publication ${publication} with (${options})`;
  await execute(target.server, target.database, sql);
}

/** Ends it; its slot stays, and is free. */
export async function unsubscribe(source: Place, target: Place, slot: string): Promise<void> {
  await execute(
    target.server,
    target.database,
    "alter subscription bench disable",
    "alter subscription bench set (slot_name = none)",
    "drop subscription bench",
  );
  await until(source, `select from pg_replication_slots where slot_name = '${slot}' and not active`);
}

/** The process id of the worker that applies; waits until there is one. */
export async function workerOf(target: Place): Promise<number> {
  await until(target, WORKER);
  const client = await target.server.connect(target.database);
  try {
    return (await client.query<{ pid: number }>(WORKER)).rows[0]?.pid ?? 0;
  } finally {
    await client.end();
  }
}

/** Runs work while a subscription is applied; what it uses is what its worker uses, which also writes the rows. */
export async function withWorkerUse<T>(
  { server, database }: Place,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly use: Use }> {
  const client = await server.connect(database);
  let worker: number | null = null;
  const look = async (): Promise<void> => {
    if (worker !== null) return;
    const { rows } = await client.query<{ pid: number }>(WORKER);
    worker = rows[0]?.pid ?? null;
  };
  try {
    return await withProcessUse(
      { pid: () => worker, memory: privateBytes },
      // A look that is under way when the work ends finds its session closed.
      () => polled(() => void look().catch(() => undefined), work, LOOK_MILLIS),
    );
  } finally {
    await client.end();
  }
}
