import { parseArgs } from "node:util";

/** How much of everything. Quick is for a look after a change, full for what is written down. */
export interface Sizes {
  readonly name: "quick" | "full";
  readonly pairs: number;
  readonly narrowRows: number;
  readonly wideRows: number;
  readonly smallTables: number;
  /** Transactions of one row each. */
  readonly updates: number;
  /** Rows, in transactions of 10,000. */
  readonly inserts: number;
  readonly memoryBytes: number;
  /** Changes of the long stream. */
  readonly streamChanges: number;
  /** Rows of one transaction while their table loads. */
  readonly bulkRows: number;
  /** Measured seconds at each pace of the lag, and how often each is measured. */
  readonly lagSeconds: number;
  readonly lagPairs: number;
}

export interface BenchOptions {
  readonly sizes: Sizes;
  /** Figures to take; null for all. */
  readonly only: ReadonlySet<string> | null;
  /** Print the result as JSON on stdout. */
  readonly json: boolean;
  /** Append the result to docs/bench.md. */
  readonly write: boolean;
}

const QUICK: Sizes = {
  name: "quick",
  pairs: 3,
  narrowRows: 600_000,
  wideRows: 80_000,
  smallTables: 100,
  updates: 60_000,
  inserts: 300_000,
  memoryBytes: 500_000_000,
  streamChanges: 1_000_000,
  bulkRows: 200_000,
  lagSeconds: 15,
  lagPairs: 1,
};

const FULL: Sizes = {
  name: "full",
  pairs: 5,
  narrowRows: 4_000_000,
  wideRows: 500_000,
  smallTables: 300,
  updates: 300_000,
  inserts: 1_000_000,
  memoryBytes: 2_000_000_000,
  streamChanges: 10_000_000,
  bulkRows: 1_000_000,
  lagSeconds: 60,
  lagPairs: 3,
};

export const USAGE = `usage: npm run bench -- [--quick | --full] [--only NAME,...] [--pairs N] [--json] [--write]
  --quick   small sizes, a few minutes (default)
  --full    the sizes that docs/bench.md quotes
  --only    only these of: copy, small-tables, clone, tail, apply, lag, digest,
            memory or one of memory-load, memory-stream, memory-bulk
  --pairs   how often each pair of runs is repeated
  --json    the result as JSON on stdout
  --write   append the result to docs/bench.md
`;

/** Throws a TypeError on what is no option of ours. */
export function parseOptions(args: readonly string[], figures: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean" },
      full: { type: "boolean" },
      only: { type: "string" },
      pairs: { type: "string" },
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
    },
  });
  if (values.quick === true && values.full === true) throw new TypeError("--quick and --full exclude each other");
  const sizes = values.full === true ? FULL : QUICK;
  const pairs = values.pairs === undefined ? sizes.pairs : Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1) throw new TypeError("--pairs wants a whole number, at least 1");
  const only = values.only === undefined ? null : new Set(values.only.split(",").flatMap((name) => called(name, figures)));
  return { sizes: { ...sizes, pairs, lagPairs: Math.min(sizes.lagPairs, pairs) }, only, json: values.json, write: values.write };
}

/** `memory` is all of `memory-load`, `memory-stream` and so on. */
function called(name: string, figures: readonly string[]): readonly string[] {
  const found = figures.filter((figure) => figure === name || figure.startsWith(`${name}-`));
  if (found.length === 0) throw new TypeError(`no figure is called ${name}`);
  return found;
}
