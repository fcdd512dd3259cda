import { setTimeout as sleep } from "node:timers/promises";
import type { Cast } from "./cast.ts";
import type { SideName } from "./payments/route.ts";

export interface CutoverOutcome {
  readonly to: SideName;
  /** What the application saw: the longest time that one of its requests took while the writes were switched. */
  readonly longestRequestMillis: number;
  /** Attempts that pghaul cancelled before one succeeded. */
  readonly cancelled: number;
}

/** Exit codes an operator waits for: a gate is closed, a deadline was missed and everything undone. */
const GATE_CLOSED = 11;
const TRY_LATER = 75;
const MOST_TRIES = 8;
const GATES_LIMIT_MILLIS = 60_000;

/** Waits for the gates, reads the plan, and switches as a runbook would: with the digest of the plan that was shown. */
export async function switchWrites({ operator, application }: Cast, to: SideName): Promise<CutoverOutcome> {
  const back = to === "source" ? ["--rollback"] : [];
  const command = to === "source" ? "rollback" : "run";
  await operator.must(["cutover", "plan", ...back]);
  for (let cancelled = 0; ; cancelled += 1) {
    const gates = await operator.until(["cutover", "check", ...back], 0, GATES_LIMIT_MILLIS);
    const { digest } = await operator.ask<{ digest: string }>(["cutover", "plan", ...back]);
    application.tally.longestMillis = 0;
    // What closed a gate in a busy moment may have gone by now; the switch asks every gate again.
    const code = await operator.run(["cutover", command, "--confirm", "payments", "--plan-digest", digest]);
    // The last requests that were held up have to come through before their time is known.
    await sleep(1_000);
    if (code === 0) return { to, cancelled, longestRequestMillis: Math.round(application.tally.longestMillis) };
    if ((code !== GATE_CLOSED && code !== TRY_LATER) || cancelled === MOST_TRIES)
      throw new Error(`"pghaul cutover ${command}" ended with ${code}`);
    console.log(
      gates === 0 ? "Everything was undone, and the old primary takes writes. Trying again." : "A gate is still closed. Trying again.",
    );
    await sleep(3_000);
  }
}
