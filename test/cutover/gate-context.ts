/** A gate's surroundings, everything well; tests change what they are about. */
import type { AccessDifferences, BetweenFacts, ObjectDifferences } from "../../src/conditions/between-facts.ts";
import type { SideFacts } from "../../src/conditions/side-facts.ts";
import type { GateContext, GateFacts, GateLimits, LagSample } from "../../src/cutover/gate.ts";
import type { Route } from "../../src/cutover/ports.ts";
import type { SideName } from "../../src/model/side.ts";
import type { Table } from "../../src/model/table.ts";
import { postgresFacts } from "../../src/side/postgres/facts/postgres-facts.ts";

export const NOW = Date.parse("2026-11-21T12:00:00Z");

export const LIMITS: GateLimits = {
  maxLagBytes: 1_000,
  maxLagSeconds: 5,
  lagHeldFor: 30_000,
  noErrorsFor: 600_000,
  maxTransactionAge: 5_000,
  verifiedWithin: 86_400_000,
  notNeeded: [],
};

export function table(id: string): Table {
  const [schema = "", name = ""] = id.split(".");
  return { id, schema, name, oid: 1, columns: [], key: [0], partitioned: false, leaves: [{ id: "0", schema, name, bytes: 0, rows: 0 }] };
}

export function samples(
  count: number,
  change: (sample: LagSample, secondsAgo: number) => LagSample = (sample) => sample,
): readonly LagSample[] {
  return Array.from({ length: count }, (_, index) => {
    const secondsAgo = count - index;
    return change({ at: NOW - secondsAgo * 1_000, widthMillis: 1_000, lagBytesMax: 10, lagSecondsMax: 0 }, secondsAgo);
  });
}

export function facts(change: Partial<GateFacts> = {}): GateFacts {
  return {
    notRunning: async () => null,
    held: () => [],
    notJoined: () => [],
    lagSamples: () => samples(60),
    lastError: () => null,
    verdicts: () => [{ table: "public.t", equal: true, at: new Date(NOW - 1_000).toISOString() }],
    sourceChanges: async () => [],
    drift: async () => [],
    ...change,
  };
}

function nobody(name: SideName): SideFacts {
  return postgresFacts({ name, role: "pghaul" }, async () => []);
}

/** Two sides that differ in nothing but what a test says. */
export function between(objects: Partial<ObjectDifferences> = {}, access: Partial<AccessDifferences> = {}): BetweenFacts {
  const nothing = { count: 0, first: [] };
  return {
    objects: async () => ({ compared: 40, missing: nothing, differing: nothing, ...objects }),
    access: async () => ({
      ...{ roles: 3, objects: 40, missingRoles: [], memberships: [], rights: [] },
      ...{ noSuperuserAnyMore: [], attributes: [], ownersNotKept: [], ...access },
    }),
    roles: async () => ({ named: 3, missing: [], memberships: [], lessThanBefore: [], attributes: [] }),
    ownersNotOurs: async () => [],
    unknownPrivileges: async () => [],
  };
}

export function route(leadsTo: () => Promise<"source" | "target" | null>): Route {
  return {
    kind: "fake",
    takeOver: async () => {},
    pause: async () => {},
    resume: async () => {},
    switchTo: async () => {},
    current: leadsTo,
  };
}

export function context(change: Partial<GateContext> = {}): GateContext {
  return {
    migration: "m",
    from: nobody("source"),
    to: nobody("target"),
    between: between(),
    tables: [table("public.t")],
    slots: { source: "forward_slot", target: "reverse_slot" },
    limits: LIMITS,
    access: { owners: true, privileges: true },
    facts: facts(),
    route: route(async () => "source"),
    now: () => NOW,
    ...change,
  };
}
