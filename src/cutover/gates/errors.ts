import type { Gate } from "../gate.ts";

/** The run has not failed lately. */
export const errorsGate: Gate = {
  id: "no-errors",
  title: "nothing has failed lately",
  when: ["switch"],
  side: "neither",
  async ask({ facts, limits, now }) {
    const last = facts.lastError();
    const agoMillis = last === null ? null : now() - Date.parse(last.at);
    return {
      verdict: agoMillis === null || agoMillis > limits.noErrorsFor ? "pass" : "fail",
      evidence: { lastError: last === null ? "none" : `${last.code} at ${last.at}`, neededMinutes: limits.noErrorsFor / 60_000 },
      advice: agoMillis === null ? null : "pghaul status   # shows the error; cutover.gates.noErrorsFor says how long to wait",
    };
  },
};
