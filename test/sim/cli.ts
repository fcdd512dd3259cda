/** `npm run test:sim -- --seeds N --seed S`: runs N seeds from S on (default 10,000 from 1); one seed alone prints its trace. */
import { parseArgs } from "node:util";
import { runSimulation } from "./run-simulation.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string" }, seed: { type: "string", default: "1" }, trace: { type: "boolean", default: false } },
});
const first = Number(values.seed);
const count = Number(values.seeds ?? (values.trace ? 1 : 10_000));
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1)
  throw new RangeError("--seed and --seeds take whole numbers");

let running = first;
process.on("unhandledRejection", (error) => {
  process.stderr.write(`seed ${running}: a rejection that nobody handled\n`);
  throw error;
});

const happened = new Map<string, number>();
const started = performance.now();
let failures = 0;
for (running = first; running < first + count; running++) {
  const outcome = await runSimulation(running, { trace: values.trace });
  for (const [what, times] of outcome.happened) happened.set(what, (happened.get(what) ?? 0) + times);
  for (const line of outcome.trace) process.stdout.write(`${line}\n`);
  if (outcome.failure !== null) {
    failures += 1;
    process.stdout.write(
      `seed ${running}: ${outcome.failure.message} (trace ${outcome.hash})\n  again: npm run test:sim -- --seed ${running} --trace\n`,
    );
    if (values.trace) process.stdout.write(`${outcome.failure.stack}\n${(outcome.failure.cause as Error | undefined)?.stack ?? ""}\n`);
  }
}
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${count} seeds from ${first}: ${failures} failed, ${(count / seconds).toFixed(0)} seeds a second\n`);
process.stdout.write(`${[...happened].map(([what, times]) => `${what} ${times}`).join(", ")}\n`);
process.exitCode = failures === 0 ? 0 : 1;
