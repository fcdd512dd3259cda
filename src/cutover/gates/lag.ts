import { type Answer, fail } from "../../conditions/condition.ts";
import { streamOutOf } from "../../model/side.ts";
import type { Gate, GateContext, LagSample } from "../gate.ts";

/** Samples come once a second; with a hole this long nobody knows what the lag was. */
const LONGEST_HOLE_MILLIS = 10_000;

/** An idle stream writes its position down this often; younger than that says nothing. */
const IDLE_RECORD_SECONDS = 6;

/** The new primary is close behind, and has been for a while. */
export const lagGate: Gate = {
  id: "lag",
  title: "the lag has stayed below its limits for a while",
  when: ["switch", "rollback"],
  side: "both",
  ask: (context) => (context.to.name === "target" ? askSamples(context) : askPosition(context)),
};

async function askSamples(context: GateContext): Promise<Answer> {
  const { maxLagBytes, maxLagSeconds, lagHeldFor } = context.limits;
  const samples = context.facts.lagSamples();
  const last = samples.at(-1);
  const held = heldSince(samples, context);
  const heldMillis = held === null ? 0 : Math.round(context.now() - held);
  const open = held !== null && heldMillis >= lagHeldFor;
  return {
    verdict: open ? "pass" : "fail",
    evidence: {
      bytes: last?.lagBytesMax ?? "unknown",
      seconds: last?.lagSecondsMax ?? "unknown",
      heldForSeconds: Math.floor(heldMillis / 1000),
      neededSeconds: lagHeldFor / 1000,
      maxBytes: maxLagBytes,
      maxSeconds: maxLagSeconds,
    },
    advice: open ? null : "wait; cutover.gates.lagHeldFor says how long the lag must stay low",
    ttlMillis: 10_000,
  };
}

/** The way back was idle until the switch, so only where it stands now counts: what the old primary has written against what is on record. */
async function askPosition({ from, to, migration, limits }: GateContext): Promise<Answer> {
  const { maxLagBytes, maxLagSeconds } = limits;
  const found = await to.behind(migration, streamOutOf(from.name), await from.writtenUpTo());
  if (found === null) return fail({ position: "none on record" }, "pghaul run");
  const { bytes, seconds } = found;
  const open = bytes <= maxLagBytes || seconds <= Math.max(maxLagSeconds, IDLE_RECORD_SECONDS);
  return {
    verdict: open ? "pass" : "fail",
    evidence: { bytes, positionRecordedSecondsAgo: seconds, maxBytes: maxLagBytes, maxSeconds: maxLagSeconds },
    advice: open ? null : "pghaul status   # then wait until the way back has caught up",
    ttlMillis: 10_000,
  };
}

/** Since when the lag has been below its limits without a break; null when it is not now. Milliseconds since the Unix epoch. */
function heldSince(samples: readonly LagSample[], { limits, now }: Pick<GateContext, "limits" | "now">): number | null {
  let since: number | null = null;
  let next = now();
  for (const { at, widthMillis, lagBytesMax, lagSecondsMax } of samples.toReversed()) {
    const isLow =
      lagBytesMax !== null && lagSecondsMax !== null && lagBytesMax <= limits.maxLagBytes && lagSecondsMax <= limits.maxLagSeconds;
    if (!isLow || next - (at + widthMillis) > LONGEST_HOLE_MILLIS) break;
    since = at;
    next = at;
  }
  return since;
}
