/** A steady writer at the source, and how long it takes until what it wrote is visible at the target. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/workflow/system-clock.ts";
import { clientTool } from "./client-tools.ts";
import type { Place } from "./equal-tables.ts";
import { runProgram } from "./processes.ts";

const CLIENTS = 16;
const PROBE_MILLIS = 25;
/** Seconds in which whoever follows finds its pace; not measured. */
const WARM_SECONDS = 3;

/** To be made at both sides: the row that is watched. */
export const PROBE = ["create table public.probe (id integer primary key, seq integer not null)"];
export const PROBE_ROW = "insert into public.probe values (1, 0)";

/** Waits inside of the server: a poll of ours would be a round trip, and its processor time the target's. Each look has a snapshot of its own. */
export const AWAIT_PROBE = `
  create function public.await_probe(last integer, out seen integer, out millis double precision) language plpgsql volatile as $$
  begin
    loop
      select seq into seen from public.probe;
      if seen > last then
        millis := extract(epoch from clock_timestamp()) * 1000;
        return;
      end if;
      perform pg_sleep(0.0005);
    end loop;
  end $$`;

export interface Pace {
  readonly perSecond: number;
  readonly seconds: number;
  /** One statement that pgbench runs as a transaction. */
  readonly script: string;
  readonly dir: string;
}

/** Runs `work` while clients write at a pace, from when whoever follows has found it. */
export async function whilePaced<T>(source: Place, pace: Pace, work: () => Promise<T>): Promise<T> {
  const file = join(pace.dir, "pace.sql");
  writeFileSync(file, pace.script);
  const seconds = pace.seconds + WARM_SECONDS;
  const options = ["-n", "-M", "prepared", "-c", CLIENTS, "-j", 1, "-R", pace.perSecond, "-T", seconds, "-f", file].map(String);
  const writing = runProgram([clientTool("pgbench"), ...options, source.server.url(source.database)]);
  const measuring = systemClock.sleep(WARM_SECONDS * 1000, new AbortController().signal).then(work);
  const [result] = await Promise.all([measuring, writing]);
  return result;
}

/**
 * Milliseconds from the answer to each probe's commit until it is visible at the target. Probes are sent by the clock and not one after another:
 * a stall is counted by every probe that meets it.
 */
export async function probeLags(source: Place, target: Place, seconds: number): Promise<number[]> {
  const count = Math.floor((seconds * 1000) / PROBE_MILLIS);
  const [writer, observer] = [await source.server.connect(source.database), await target.server.connect(target.database)];
  try {
    const [answered, seen] = await Promise.all([writeProbes(writer, count), seeProbes(observer, count)]);
    return answered.map((at, place) => Math.max(0, (seen[place] ?? 0) - at));
  } finally {
    await Promise.all([writer.end(), observer.end()]);
  }
}

type Client = Awaited<ReturnType<Place["server"]["connect"]>>;

/** The server itself says when each commit was answered, right behind it in the same message: this process may be late. */
async function writeProbes(client: Client, count: number): Promise<number[]> {
  const answered: number[] = [];
  const begun = performance.now();
  for (let n = 1; n <= count; n++) {
    const early = begun + n * PROBE_MILLIS - performance.now();
    if (early > 0) await systemClock.sleep(early, new AbortController().signal);
    const script = `begin; update public.probe set seq = ${n}; commit; select extract(epoch from clock_timestamp()) * 1000 as millis`;
    const results = (await client.query(script)) as unknown as readonly { readonly rows: readonly { readonly millis: string }[] }[];
    answered.push(Number(results.at(-1)?.rows[0]?.millis));
  }
  return answered;
}

/** A look may find several at once: whoever follows groups them. */
async function seeProbes(client: Client, count: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const { rows } = await client.query<{ seen: number; millis: number }>("select seen, millis from public.await_probe($1)", [
      times.length,
    ]);
    const { seen, millis } = rows[0] ?? { seen: count, millis: 0 };
    while (times.length < seen) times.push(millis);
  }
  return times;
}

/** The value that `share` of them do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
