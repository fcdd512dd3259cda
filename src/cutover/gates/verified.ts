import type { Gate } from "../gate.ts";

/** Every table was compared not long ago, and was equal; and nothing has happened to it since that the stream does not carry. */
export const verifiedGate: Gate = {
  id: "verified",
  title: "every table was found equal in a recent verification",
  when: ["switch"],
  side: "neither",
  async ask({ facts, tables, limits, now }) {
    const verdicts = new Map(facts.verdicts().map((verdict) => [verdict.table, verdict]));
    const missing = tables.filter(({ id }) => !verdicts.has(id));
    const known = tables.flatMap(({ id }) => verdicts.get(id) ?? []);
    const different = known.filter(({ equal }) => !equal);
    const oldest = Math.min(...known.map(({ at }) => Date.parse(at)));
    const left = oldest + limits.verifiedWithin - now();
    const changes = await facts.sourceChanges();
    const open = missing.length === 0 && different.length === 0 && changes.length === 0 && left > 0;
    return {
      verdict: open ? "pass" : "fail",
      evidence: {
        neverCompared: missing.length,
        different: different.map(({ table }) => table).slice(0, 5),
        ...(changes.length === 0 ? {} : { changedSince: changes.map(({ code, message }) => `${code}: ${message}`).slice(0, 5) }),
        oldest: Number.isFinite(oldest) ? new Date(oldest).toISOString() : "none",
      },
      advice: open ? null : different.length > 0 ? "pghaul verify diff" : "pghaul verify run",
      ...(open ? { ttlMillis: Math.max(0, Math.round(left)) } : {}),
    };
  },
};
