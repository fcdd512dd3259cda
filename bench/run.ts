/**
 * `npm run bench`: what pghaul needs, each time against a peer or a limit in the same run. The machine is shared and noisy, so only the
 * ratios count. Ends with 1 when a figure failed or a result was wrong; a peer that is not installed is told and skipped.
 */
import { measureApply } from "./figures/apply.ts";
import { measureClone } from "./figures/clone.ts";
import { measureCopy } from "./figures/copy.ts";
import { measureDigest } from "./figures/digest.ts";
import { measureLag } from "./figures/lag.ts";
import { overBulk, overLoad, overStream } from "./figures/memory.ts";
import { measureSmallTables } from "./figures/small-tables.ts";
import { measureTail } from "./figures/tail.ts";
import { MissingTool } from "./harness/client-tools.ts";
import type { Figure, Skipped } from "./harness/figure.ts";
import { describeMachine } from "./harness/machine.ts";
import { type BenchOptions, parseOptions, USAGE } from "./harness/options.ts";
import { appendMarkdown, jsonReport, type Report, textTable } from "./harness/report.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const FIGURES: Readonly<Record<string, (stage: Stage) => Promise<Figure[]>>> = {
  copy: measureCopy,
  "small-tables": measureSmallTables,
  clone: measureClone,
  tail: measureTail,
  apply: measureApply,
  lag: measureLag,
  digest: measureDigest,
  "memory-load": async (stage) => [await overLoad(stage)],
  "memory-stream": async (stage) => [await overStream(stage)],
  "memory-bulk": async (stage) => [await overBulk(stage)],
};

async function main(options: BenchOptions): Promise<void> {
  const figures: Figure[] = [];
  const skipped: Skipped[] = [];
  let failed = false;
  {
    await using stage = await openStage(options.sizes, (what) => console.error(`  ${what}`));
    for (const [name, measure] of Object.entries(FIGURES)) {
      if (options.only !== null && !options.only.has(name)) continue;
      try {
        figures.push(...(await measure(stage)));
      } catch (error) {
        if (error instanceof MissingTool) skipped.push({ name, why: error.message });
        else {
          console.error(`${name} failed:`, error);
          failed = true;
        }
      }
    }
  }
  const report: Report = { sizes: options.sizes, machine: describeMachine(), figures, skipped };
  console.error(textTable(report));
  if (options.json) console.log(JSON.stringify(jsonReport(report), null, 2));
  if (failed) process.exitCode = 1;
  else if (options.write) appendMarkdown(report);
}

function readOptions(): BenchOptions | null {
  try {
    return parseOptions(process.argv.slice(2), Object.keys(FIGURES));
  } catch (error) {
    console.error(`Error: ${(error as Error).message}\n${USAGE}`);
    return null;
  }
}

const options = readOptions();
if (options === null) process.exitCode = 2;
else await main(options);
