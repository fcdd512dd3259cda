import { stat } from "node:fs/promises";
import type { CheckResult } from "../../model/check-result.ts";
import { checkBucket } from "../../s3/check-bucket.ts";
import { runChecks } from "../../source/run-checks.ts";
import { withBucket } from "../bucket/show-state.ts";
import { originPrefix, slotName } from "../names.ts";
import type { Sides } from "../open-migration.ts";

/** Room that the change log and the schema's archive should find in the state directory. */
const WANTED_STATE_BYTES = 5 * 1024 ** 3;
const LONG_TRANSACTION_SECONDS = 300;

export interface CheckReport {
  readonly checks: readonly CheckResult[];
  readonly failed: number;
  readonly warned: number;
}

/** Runs every precheck; `told` hears each as it is known. Changes nothing on either side; in a bucket it makes one object and removes it. */
export async function runCheck(sides: Sides, told: (result: CheckResult) => void, signal: AbortSignal): Promise<CheckReport> {
  const { config, name } = sides;
  const checks: CheckResult[] = [];
  const results = runChecks({
    connect: (side, purpose) => sides.connect(side, purpose, { signal }),
    specs: { source: sides.source.spec, target: sides.target.checkedServer?.spec ?? null },
    scope: { switches: sides.target.switching !== null, hasSchema: sides.target.capabilities.schema !== "described" },
    selection: config.tables,
    overrides: config.tables.overrides,
    migration: name,
    access: sides.target.capabilities.keeps,
    schema: sides.target.capabilities.schema === "moved" ? "move" : "existing",
    slots: { source: slotName(name, "forward"), target: slotName(name, "reverse") },
    originPrefix: originPrefix(name),
    workers: config.throttle.workers,
    routes: config.cutover.routing.map(({ kind }) => kind),
    stateDirectory: config.state.dir,
    wantedStateBytes: WANTED_STATE_BYTES,
    deviceOf,
    longTransactionSeconds: LONG_TRANSACTION_SECONDS,
    findClientTools: (major) => sides.target.tools(major),
    signal,
  });
  const note = (result: CheckResult): void => {
    checks.push(result);
    told(result);
  };
  for await (const result of results) note(result);
  for (const result of await sides.target.check()) note(result);
  if (config.state.bucket !== null) {
    await withBucket(config, async (bucket) => {
      for await (const result of checkBucket(bucket)) note(result);
    });
  }
  const count = (status: CheckResult["status"]): number => checks.filter((check) => check.status === status).length;
  return { checks, failed: count("fail"), warned: count("warn") };
}

async function deviceOf(directory: string): Promise<number | null> {
  try {
    return (await stat(directory)).dev;
  } catch {
    return null;
  }
}
