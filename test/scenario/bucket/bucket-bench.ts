import { rmSync } from "node:fs";
import { join } from "node:path";
import type { CliHandle, CliResult } from "../../support/run-cli.ts";
import { S3Double } from "../../support/s3-double.ts";
import { type Bench, type BenchOptions, openBench } from "../migration-bench.ts";

/** A migration whose state is in a bucket too. Machines are state directories: each knows nothing of the other but by the bucket. */
export interface BucketBench extends AsyncDisposable {
  readonly bench: Bench;
  readonly s3: S3Double;
  run(machine: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliResult>;
  start(machine: string, args: readonly string[], env?: Readonly<Record<string, string>>): CliHandle;
  /** Everything on the machine is gone. */
  lose(machine: string): void;
}

export async function openBucketBench(options: Partial<BenchOptions> & { readonly log?: string } = {}): Promise<BucketBench> {
  const s3 = await S3Double.start();
  const config = `state: { s3: "s3://bucket/pghaul", endpoint: "${s3.endpoint}" }\nlog: { segmentBytes: ${options.log ?? "64KB"} }\n`;
  const bench = await openBench({ from: 14, to: 15, rows: 3_000, ...options, config });
  const args = (machine: string, rest: readonly string[]) => [...rest, "--state-dir", machine];
  return {
    bench,
    s3,
    run: (machine, rest, env = {}) => bench.run(args(machine, rest), { ...s3.environment, ...env }),
    start: (machine, rest, env = {}) => bench.start(args(machine, rest), { ...s3.environment, ...env }),
    lose: (machine) => rmSync(join(bench.dir, machine), { recursive: true, force: true }),
    async [Symbol.asyncDispose]() {
      await bench[Symbol.asyncDispose]();
      await s3[Symbol.asyncDispose]();
    },
  };
}
