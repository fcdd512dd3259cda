/**
 * `npm run test:sim -- --seeds N --seed S`: runs N seeds from S on (default 10,000 from 1), each of the stream, the same over a version target, and
 * the switch; `--of` names one of them, and `--trace` prints the steps of a seed.
 */
import { parseArgs } from "node:util";
import { again, SIMULATIONS, type SimulationName } from "./simulations.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    seed: { type: "string", default: "1" },
    of: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds ?? (values.trace ? 1 : 10_000));
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1)
  throw new RangeError("--seed and --seeds take whole numbers");
const names = (Object.keys(SIMULATIONS) as SimulationName[]).filter((name) => values.of === undefined || name === values.of);
if (names.length === 0) throw new RangeError(`--of takes one of ${Object.keys(SIMULATIONS).join(", ")}`);

let running = "";
process.on("unhandledRejection", (error) => {
  process.stderr.write(`${running}: a rejection that nobody handled\n`);
  throw error;
});

async function runSeeds(name: SimulationName): Promise<number> {
  const happened = new Map<string, number>();
  const started = performance.now();
  let failures = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    running = `${name}, seed ${seed}`;
    const outcome = await SIMULATIONS[name](seed, values.trace);
    for (const [what, times] of outcome.happened) happened.set(what, (happened.get(what) ?? 0) + times);
    for (const line of outcome.trace) process.stdout.write(`${line}\n`);
    if (outcome.failure === null) continue;
    failures += 1;
    process.stdout.write(`${running}: ${outcome.failure.message} (trace ${outcome.hash})\n  again: ${again(name, seed)}\n`);
    if (values.trace) process.stdout.write(`${outcome.failure.stack}\n${(outcome.failure.cause as Error | undefined)?.stack ?? ""}\n`);
  }
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`${name}: ${count} seeds from ${first}: ${failures} failed, ${(count / seconds).toFixed(0)} seeds a second\n`);
  process.stdout.write(`${[...happened].map(([what, times]) => `${what} ${times}`).join(", ")}\n`);
  return failures;
}

let failed = 0;
for (const name of names) failed += await runSeeds(name);
process.exitCode = failed === 0 ? 0 : 1;
