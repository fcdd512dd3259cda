/** That `npm run test:mutants` can be trusted; the whole list takes minutes and is run by itself. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Mutant } from "../mutants/mutant.ts";
import { MUTANTS } from "../mutants/mutants.ts";
import { MutatedTree, mutate, readSources } from "../mutants/mutated-tree.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** One of each area that has no server in it, the quickest. */
const SAMPLE = [
  "changes are acknowledged without an fsync",
  "a delete is forgotten because the same batch had updated the row",
  "a table is equal when one of its ranges is",
  "the watchdog gives up after its first try",
];

const FOLD = { find: "if (before !== undefined && !before.existed) fold.entries.delete(text);", killedBy: ["test/engine/fold.test.ts"] };

describe("the mutants", () => {
  it("fit the source as it is: each text stands in src once, what it makes is TypeScript, its tests are there", () => {
    const sources = readSources();
    for (const mutant of MUTANTS) {
      const mutated = mutate(mutant, sources);
      assert.ok(typeof mutated !== "string", `${mutant.what}: ${mutated}`);
      for (const file of mutant.killedBy) assert.ok(existsSync(root + file), `${mutant.what}: ${file} is gone`);
    }
    assert.equal(new Set(MUTANTS.map(({ what }) => what)).size, MUTANTS.length);
  });

  describe("over a copy of the tree", () => {
    let tree: MutatedTree;
    before(() => {
      tree = new MutatedTree(readSources());
    });
    after(() => tree.remove());

    for (const what of SAMPLE) {
      it(`are killed: ${what}`, async () => {
        const mutant = MUTANTS.find((one) => one.what === what) as Mutant;
        const verdict = await tree.try(mutant);
        assert.equal(verdict.kind, "killed", JSON.stringify(verdict));
      });
    }

    it("survive when no test minds, and the source is as before afterwards", async () => {
      assert.deepEqual(await tree.try({ ...FOLD, what: "nothing", replace: FOLD.find }), { kind: "survived" });
      assert.equal(await tree.firstFailure(FOLD.killedBy, 60_000), null);
    });

    it("are stale when their text is gone, there twice, or breaks the file", async () => {
      for (const [find, replace, why] of [
        ["no such text", "", /0 times/],
        ["import type", "", /\d{2,} times/],
        [FOLD.find, "if (", /no TypeScript/],
        [
          FOLD.find,
          'throw new Error("never"); }\n}\nthrow new Error("as it is loaded"); class Rest { x() {',
          /breaks as a whole|no TypeScript/,
        ],
      ] as const) {
        const verdict = await tree.try({ ...FOLD, what: "", find, replace });
        assert.equal(verdict.kind, "stale");
        assert.match((verdict as { readonly why: string }).why, why);
      }
    });
  });
});
