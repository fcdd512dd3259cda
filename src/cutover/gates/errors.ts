import type { Gate } from "../gate.ts";

/** The run has not failed lately. */
export const errorsGate: Gate = {
  id: "no-errors",
  title: "nothing has failed lately",
  forwardOnly: true,
  async ask({ facts, limits, now }) {
    const last = facts.lastError();
    const agoMillis = last === null ? null : now() - Date.parse(last.at);
    return {
      open: agoMillis === null || agoMillis > limits.noErrorsFor,
      evidence: { lastError: last === null ? "none" : `${last.code} at ${last.at}`, neededMinutes: limits.noErrorsFor / 60_000 },
      ...(agoMillis === null ? {} : { fix: "pghaul status   # shows the error; cutover.gates.noErrorsFor says how long to wait" }),
    };
  },
};
