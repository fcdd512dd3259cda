import { setTimeout as sleep } from "node:timers/promises";
import type { Cast } from "./cast.ts";
import { judge, printSummary } from "./summary.ts";
import { type CutoverOutcome, switchWrites } from "./switch-writes.ts";

/** Long enough to see a stream live, short enough for a demo. */
const LIVE_MILLIS = 4_000;
const AT_TARGET_MILLIS = 6_000;

/** The whole move. Resolves with the exit code. */
export async function tellStory(cast: Cast): Promise<number> {
  const { operator, stages } = cast;
  stages.next("Look before touching anything; meanwhile the application runs 200 transactions per second");
  await operator.must(["check"]);
  await operator.must(["plan"]);

  stages.next("Move: schema, slot, chunks of every table, and everything that changes meanwhile");
  await operator.must(["run", "--until", "caught-up"]);
  const run = operator.background(["run"], `${cast.directory}/run.log`);
  // Rejects when the stream ends by itself; whoever waits for it hears of it.
  const streaming = run.ended.then((code) => Promise.reject(new Error(`"pghaul run" ended with ${code}; see ${cast.directory}/run.log`)));
  streaming.catch(() => undefined);
  const outcomes = await Promise.race([moveThereAndBack(cast), streaming]);
  await run.interrupt();

  stages.next("Independent checks: the application's own records, and SQL that shares no code with pghaul");
  const verdict = await judge(cast);
  await operator.must(["report", "--out", "report.html"]);
  await printSummary(cast, verdict, outcomes);
  return verdict.good ? 0 : 1;
}

async function moveThereAndBack(cast: Cast): Promise<readonly CutoverOutcome[]> {
  const { operator, application, stages } = cast;
  await sleep(LIVE_MILLIS);
  await operator.must(["status"]);

  stages.next("Verify while the writes go on");
  await operator.must(["verify", "run"]);

  stages.next("Switch the writes to PostgreSQL 15");
  const there = await switchWrites(cast, "target");
  await sleep(AT_TARGET_MILLIS);
  console.log(`\nThe application now writes to the ${application.primary}; the way back carries its changes to the source.`);

  stages.next("Change of mind: back to PostgreSQL 14, with everything written meanwhile");
  const back = await switchWrites(cast, "source");
  await sleep(LIVE_MILLIS / 2);
  console.log(`\nThe application writes to the ${application.primary} again; PostgreSQL 15 follows as before.`);

  stages.next("Verify again, then stop the application");
  await operator.must(["verify", "run"]);
  await application.stop();
  await followerHasAll(cast);
  return [there, back];
}

const FOLLOW_LIMIT_MILLIS = 30_000;

/** The application has ended: what it wrote last is at the other side when that side has caught up. */
async function followerHasAll({ application }: Cast): Promise<void> {
  const deadline = performance.now() + FOLLOW_LIMIT_MILLIS;
  while (!(await application.hasLastRequests("target"))) {
    if (performance.now() > deadline) throw new Error("the target did not receive the application's last requests within 30 s");
    await sleep(50);
  }
}
