/** How far the target is behind a source that writes steadily: `pghaul run` against a native subscription, at the same pace. */
import { query } from "../../test/support/database.ts";
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import type { Figure } from "../harness/figure.ts";
import { AWAIT_PROBE, PROBE, PROBE_ROW, probeLags, quantile, whilePaced } from "../harness/pace.ts";
import { watchPghaul } from "../harness/pghaul.ts";
import { privateBytes, residentBytes, type Use, withProcessUse } from "../harness/process-use.ts";
import { runPairs } from "../harness/run-pairs.ts";
import { copyDatabase, dropDatabase, execute, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import { subscribe, unsubscribe, workerOf } from "../harness/subscription.ts";
import { until } from "../harness/until.ts";

/** Transactions a second. */
const RATES = [200, 1_000, 3_000] as const;
/** A source that takes less than this share of the pace is said to. */
const LEAST_SHARE = 0.95;
const ACCOUNTS = 100_000;
const SOURCE = "lag_source";
const EMPTY = "lag_empty";
const PEER_SLOT = "bench_lag";
const TABLES = ["public.accounts", "public.probe"];
const CREATE = ["create table public.accounts (id bigint primary key, balance bigint not null, note text not null)", ...PROBE];
const FILL = [`insert into public.accounts select i, 0, repeat(md5(i::text), 5) from generate_series(1, ${ACCOUNTS}) i`, PROBE_ROW];
const SCRIPT = `\\set id random(1, ${ACCOUNTS})\nupdate public.accounts set balance = balance + 1 where id = :id;\n`;

interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly use: Use;
  /** Transactions a second that the source really took. */
  readonly reached: number;
}

export async function measureLag(stage: Stage): Promise<Figure[]> {
  await makeDatabase(stage.source, SOURCE, ...CREATE, ...FILL, "create publication lag for all tables");
  await makeDatabase(stage.target, EMPTY, ...CREATE, AWAIT_PROBE);
  await settle(stage.source, SOURCE);
  const figures: Figure[] = [];
  for (const rate of RATES) figures.push(...(await lagAt(stage, rate)));
  await dropDatabase(stage.source, SOURCE);
  await dropDatabase(stage.target, EMPTY);
  return figures;
}

async function lagAt(stage: Stage, rate: number): Promise<Figure[]> {
  const pairs = await runPairs(
    stage.sizes.lagPairs,
    (run) => between(stage, `lag ${rate}/s: pghaul, run ${run + 1}`, (source, target) => ofPghaul(stage, { source, target }, rate)),
    (run) =>
      between(stage, `lag ${rate}/s: native subscription, run ${run + 1}`, (source, target) => ofNative(stage, { source, target }, rate)),
  );
  const reached = Math.min(...pairs.flatMap(({ ours, peer }) => [ours.reached, peer.reached]));
  const pace = reached < rate * LEAST_SHARE ? `${rate}/s (${reached.toFixed(0)} reached)` : `${rate}/s`;
  return (["p50", "p99"] as const).map((which) => ({
    name: `lag ${pace}, ${which}`,
    measures: `commit at the source to visible at the target, ${rate} one-row updates a second for ${stage.sizes.lagSeconds} s`,
    against: "native subscription",
    unit: "ms",
    pairs: pairs.map(({ ours, peer }) => ({ ours: ours[which], peer: peer[which], use: { ours: ours.use, peer: peer.use } })),
    note: "CPU of the measured seconds. The peer's worker also writes the rows; ours has them written by a session of the target.",
  }));
}

async function between(stage: Stage, what: string, measure: (source: Place, target: Place) => Promise<Lag>): Promise<Lag> {
  stage.tell(what);
  const source: Place = { server: stage.source, database: SOURCE };
  await execute(source.server, SOURCE, "update public.probe set seq = 0");
  const target: Place = { server: stage.target, database: await copyDatabase(stage.target, "lag_target", EMPTY) };
  try {
    return await measure(source, target);
  } finally {
    await dropDatabase(stage.target, target.database);
  }
}

interface Ends {
  readonly source: Place;
  readonly target: Place;
}

async function ofPghaul(stage: Stage, ends: Ends, rate: number): Promise<Lag> {
  return watchPghaul({ args: ["run"], ...ends, tables: TABLES, dir: stage.dir }, async ({ pid }) => {
    await follows(ends);
    const lag = await measured(stage, ends, rate, { pid: () => pid, memory: residentBytes });
    await arrived(ends);
    return lag;
  });
}

async function ofNative(stage: Stage, ends: Ends, rate: number): Promise<Lag> {
  await subscribe({ ...ends, publication: "lag", options: `slot_name = ${PEER_SLOT}, synchronous_commit = off` });
  try {
    await follows(ends);
    const pid = await workerOf(ends.target);
    const lag = await measured(stage, ends, rate, { pid: () => pid, memory: privateBytes });
    await arrived(ends);
    return lag;
  } finally {
    await unsubscribe(ends.source, ends.target, PEER_SLOT);
    await execute(ends.source.server, ends.source.database, `select pg_drop_replication_slot('${PEER_SLOT}')`);
  }
}

type Process = Parameters<typeof withProcessUse>[0];

async function measured(stage: Stage, { source, target }: Ends, perSecond: number, process: Process): Promise<Lag> {
  const pace = { perSecond, seconds: stage.sizes.lagSeconds, script: SCRIPT, dir: stage.dir };
  const before = await written(source);
  const begun = performance.now();
  const { result, use } = await whilePaced(source, pace, () => withProcessUse(process, () => probeLags(source, target, pace.seconds)));
  const reached = ((await written(source)) - before) / ((performance.now() - begun) / 1000);
  return { p50: quantile(result, 0.5), p99: quantile(result, 0.99), use, reached };
}

/** Each transaction adds 1 to one balance. */
async function written({ server, database }: Place): Promise<number> {
  const [row] = await query<{ sum: string }>(server.url(database), "select sum(balance)::text as sum from public.accounts");
  return Number(row?.sum);
}

/** Resolves when the load is over and changes arrive. The probe is then at 0 again at both sides. */
async function follows({ source, target }: Ends): Promise<void> {
  for (const seq of [-1, 0]) {
    await execute(source.server, source.database, `update public.probe set seq = ${seq}`);
    await until(target, `select from public.probe where seq = ${seq}`);
  }
}

async function arrived(ends: Ends): Promise<void> {
  await follows(ends);
  await requireEqual(ends.source, ends.target, TABLES);
}
