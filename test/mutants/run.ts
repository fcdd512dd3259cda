/**
 * `npm run test:mutants [-- WORD...]`: puts each fault of the list into a copy of src, one after the other, and runs the tests that must find
 * it. Ends with 1 when one survives, or when the list no longer fits the source. Words narrow the list to what contains one of them; with
 * --without-servers those are left out that only a PostgreSQL can find.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { MutatedTree, readSources, type Verdict } from "./mutated-tree.ts";

const { values: options, positionals: words } = parseArgs({ options: { "without-servers": { type: "boolean" } }, allowPositionals: true });
const wanted = MUTANTS.filter(
  ({ what, find, isLong }) =>
    !(isLong === true && options["without-servers"]) && (words.length === 0 || words.some((word) => `${what} ${find}`.includes(word))),
);
const sources = readSources();
const verdicts = new Map<Mutant, Verdict>();

/** The tests must pass as they are: what fails anyhow would kill everything. */
async function refuseFailingTests(): Promise<void> {
  const tree = new MutatedTree(sources);
  try {
    const failed = await tree.firstFailure([...new Set(wanted.flatMap(({ killedBy }) => killedBy))], 1_800_000);
    if (failed !== null) throw new Error(`a test fails without any mutant: ${failed}`);
  } finally {
    tree.remove();
  }
}

async function work(queue: Mutant[]): Promise<void> {
  const tree = new MutatedTree(sources);
  try {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const began = performance.now();
      const verdict = await tree.try(mutant);
      verdicts.set(mutant, verdict);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const found =
        verdict.kind === "killed" ? `by "${verdict.by}"` : verdict.kind === "stale" ? verdict.why : `${mutant.killedBy.join(", ")}`;
      console.log(`${verdict.kind.padEnd(8)} ${seconds.padStart(5)} s  ${mutant.what}: ${found}`);
    }
  } finally {
    tree.remove();
  }
}

await refuseFailingTests();
const queue = [...wanted];
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, () => work(queue)));
const count = (kind: Verdict["kind"]): number => [...verdicts.values()].filter((verdict) => verdict.kind === kind).length;
console.log(`${wanted.length} mutants: ${count("killed")} killed, ${count("survived")} survived, ${count("stale")} stale`);
process.exitCode = wanted.length > 0 && count("killed") === wanted.length ? 0 : 1;
