/** A tail in a process of its own, for tests that kill it: `tail-child.ts URL DIRECTORY`; the plan is in DIRECTORY/plan.json. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startTail, type TailPlan } from "./tail-bench.ts";

const [url = "", dir = ""] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(join(dir, "plan.json"), "utf8"), (key, value: unknown) => {
  return (key === "lsn" || key === "xidReference") && typeof value === "string" ? BigInt(value) : value;
}) as TailPlan;
const tail = await startTail(url, dir, plan, { segmentBytes: 32 * 1024 });
process.send?.("started");
await tail.ended;
