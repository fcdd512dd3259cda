import type { CheckResult } from "../../src/model/check-result.ts";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { type CheckRequest, runChecks } from "../../src/source/run-checks.ts";

const AROUND = { env: {}, home: undefined, user: undefined, socketDirs: [] };

/** A request that everything passes, between two servers that are fit. */
export function checkRequest(sourceUrl: string, targetUrl: string, rest: Partial<CheckRequest> = {}): CheckRequest {
  const specs = { source: resolveConnection({ url: sourceUrl }, AROUND), target: resolveConnection({ url: targetUrl }, AROUND) };
  return {
    specs,
    connect: (side, purpose) => connect(specs[side], { side, purpose }),
    selection: { include: ["*.*"], exclude: [] },
    overrides: {},
    migration: "m",
    access: { owners: true, privileges: true },
    schema: "move",
    slots: { source: "pghaul_m_forward", target: "pghaul_m_reverse" },
    originPrefix: "pghaul_m_",
    scope: { switches: true, hasSchema: true },
    workers: 4,
    routes: ["hook"],
    stateDirectory: "/tmp/not/made/yet",
    wantedStateBytes: 1,
    longTransactionSeconds: 60,
    findClientTools: async () => "pg_dump 18",
    deviceOf: async () => null,
    signal: new AbortController().signal,
    ...rest,
  };
}

/** Every result by its id. */
export async function checkAll(request: CheckRequest): Promise<ReadonlyMap<string, CheckResult>> {
  const results = new Map<string, CheckResult>();
  for await (const result of runChecks(request)) {
    if (results.has(result.id)) throw new Error(`two checks are called ${result.id}`);
    results.set(result.id, result);
  }
  return results;
}
