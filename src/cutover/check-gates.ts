import { type Answer, fail } from "../conditions/condition.ts";
import type { SideName } from "../model/side.ts";
import type { Gate, GateContext, GateResult } from "./gate.ts";
import { errorsGate } from "./gates/errors.ts";
import { fencePrivilegesGate } from "./gates/fence-privileges.ts";
import { heldGate } from "./gates/held.ts";
import { lagGate } from "./gates/lag.ts";
import { objectsGate } from "./gates/objects.ts";
import { parityGate } from "./gates/parity.ts";
import { privilegesGate } from "./gates/privileges.ts";
import { routeGate } from "./gates/route.ts";
import { sequencesGate } from "./gates/sequences.ts";
import { slotGate } from "./gates/slot.ts";
import { streamGate } from "./gates/stream.ts";
import { subscriptionsGate } from "./gates/subscriptions.ts";
import { transactionsGate } from "./gates/transactions.ts";
import { updatesGate } from "./gates/updates.ts";
import { verifiedGate } from "./gates/verified.ts";
import { wayBackGate } from "./gates/way-back.ts";
import { writableGate } from "./gates/writable.ts";

/** In the order in which they are shown. */
export const GATES: readonly Gate[] = [
  streamGate,
  heldGate,
  lagGate,
  errorsGate,
  verifiedGate,
  parityGate,
  objectsGate,
  privilegesGate,
  transactionsGate,
  slotGate,
  wayBackGate,
  writableGate,
  subscriptionsGate,
  updatesGate,
  fencePrivilegesGate,
  sequencesGate,
  routeGate,
];

/** Nothing that a gate asks stays true for long. */
const USUAL_TTL_MILLIS = 60_000;

/** The gates of one direction. */
export function gatesTo(to: SideName): readonly Gate[] {
  const moment = to === "target" ? "switch" : "rollback";
  return GATES.filter(({ when }) => when.includes(moment));
}

/** Asks every gate. */
export async function checkGates(context: GateContext): Promise<readonly GateResult[]> {
  const results: GateResult[] = [];
  for (const gate of gatesTo(context.to.name)) results.push(await askGate(gate, context));
  return results;
}

/** One that cannot be asked is closed, with the reason as its evidence: a check shows all that is wrong at once. */
export async function askGate(gate: Gate, context: GateContext): Promise<GateResult> {
  const measuredAt = new Date(context.now()).toISOString();
  const answer: Answer = await gate
    .ask(context)
    .catch((error: unknown) => fail({ cannotTell: error instanceof Error ? error.message : String(error) }));
  const { verdict, evidence, advice, ttlMillis = USUAL_TTL_MILLIS } = answer;
  return {
    id: gate.id,
    ttlMillis,
    open: verdict !== "fail",
    evidence: typeof evidence === "string" ? { found: evidence } : evidence,
    ...(advice === null ? {} : { fix: advice }),
    measuredAt,
  };
}
