import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Table } from "../../src/model/table.ts";
import type { Footprint, LeafFootprint } from "../../src/source/changes/footprint.ts";
import { changesBetween } from "../../src/source/changes/source-changes.ts";
import { faultOf } from "../../src/source/changes/source-faults.ts";

const TABLE: Table = { id: "public.t", schema: "public", name: "t", oid: 1, columns: [], key: [0], partitioned: false, leaves: [] };

function leaf(name: string, change: Partial<LeafFootprint> = {}): LeafFootprint {
  return { schema: "public", name, kind: "r", persistence: "p", node: "1", attached: "100", born: true, identified: true, ...change };
}

interface OtherFacts {
  readonly name?: string;
  readonly generated?: string;
}

function footprint(
  leaves: Record<string, LeafFootprint>,
  touched = "a",
  types = "m",
  { name = "public.t", generated }: OtherFacts = {},
): Footprint {
  const other = generated === undefined ? {} : { generated };
  const table = { name, schema: "public", relation: "t", published: "5", columns: "c", touched, types, leaves, ...other };
  return { publication: { oid: "1", xmin: "1", complete: true }, tables: { "public.t": table } };
}

/** What is found when the leaf holds `bytes` now, and its first row is of the transaction that attached it, or not. */
async function codes(before: Footprint, after: Footprint, { bytes = 8192, first = false as boolean | null } = {}): Promise<string[]> {
  const changes = await changesBetween({ side: "source", before, after }, [TABLE], {
    bytes: async () => bytes,
    firstRowOf: async () => first,
  });
  return changes.map(({ code }) => code);
}

describe("what happened between two looks at the source", () => {
  const one = footprint({ 10: leaf("a") });

  it("nothing: nothing is said", async () => assert.deepEqual(await codes(one, one), []));

  it("a new partition is only held to be harmless when its rows must have come by the stream", async () => {
    const grown = (change: Partial<LeafFootprint>): Footprint =>
      footprint({ 10: leaf("a"), 11: leaf("b", { attached: "200", ...change }) });
    assert.deepEqual(await codes(one, grown({})), ["PARTITION_NEW"], "made as a partition, written to later");
    assert.deepEqual(await codes(one, grown({}), { first: true }), ["PARTITION_ATTACHED"], "made, filled and attached in one transaction");
    assert.deepEqual(await codes(one, grown({}), { first: null }), ["PARTITION_ATTACHED"], "cannot be told");
    assert.deepEqual(await codes(one, grown({ born: false })), ["PARTITION_ATTACHED"], "an older table");
    assert.deepEqual(await codes(one, grown({ born: false }), { bytes: 0 }), ["PARTITION_NEW"], "an older table, empty");
  });

  it("a partition below one that was attached: its rows may have come before", async () => {
    const grown = (attached: string): Footprint => footprint({ 10: leaf("a"), 11: leaf("b", { attached }) });
    assert.deepEqual(await codes(one, grown("300.200")), ["PARTITION_ATTACHED"], "the one above was attached later, or nobody knows");
    assert.deepEqual(await codes(one, grown("200.200")), ["PARTITION_NEW"], "both made at once");
    const below = footprint({ 10: leaf("a", { attached: "100.150" }) });
    assert.deepEqual(
      await codes(below, footprint({ 10: leaf("a", { attached: "100.150" }), 11: leaf("b", { attached: "100.200" }) })),
      ["PARTITION_NEW"],
      "made below one that was there",
    );
    assert.deepEqual(await codes(below, footprint({ 10: leaf("a", { attached: "300.150", born: true }) })), ["PARTITION_ATTACHED"]);
  });

  it("a type that was changed puts its tables in doubt", async () => {
    assert.deepEqual(await codes(one, footprint({ 10: leaf("a") }, "a", "n")), ["TYPE_CHANGED"]);
  });

  it("a generated column with another expression puts its table in doubt; what an earlier version remembered says nothing of it", async () => {
    const computing = (generated?: string): Footprint =>
      footprint({ 10: leaf("a") }, "a", "m", generated === undefined ? {} : { generated });
    assert.deepEqual(await codes(computing("e"), computing("f")), ["EXPRESSION_CHANGED"]);
    assert.deepEqual(await codes(computing("e"), computing("e")), []);
    assert.deepEqual(await codes(computing(), computing("f")), []);
  });

  it("detached and attached again between two looks is an arrival", async () => {
    assert.deepEqual(await codes(one, footprint({ 10: leaf("a", { attached: "300", born: false }) })), ["PARTITION_ATTACHED"]);
  });

  it("an ordinary table written anew is in doubt only when ALTER TABLE touched its columns: its own TRUNCATE streams", async () => {
    const plain = (node: string, touched: string): Footprint => footprint({ 1: leaf("t", { attached: null, node }) }, touched);
    assert.deepEqual(await codes(plain("1", "a"), plain("2", "a")), []);
    assert.deepEqual(await codes(plain("1", "a"), plain("1", "b")), []);
    assert.deepEqual(await codes(plain("1", "a"), plain("2", "b")), ["TABLE_REWRITTEN"]);
  });

  it("on the way back the target is where it happened, and the source what has to follow", async () => {
    const ask = { bytes: async () => 0, firstRowOf: async () => false };
    const grown = footprint({ 10: leaf("a"), 11: leaf("b", { attached: "200" }) }, "a", "n");
    const changes = await changesBetween({ side: "target", before: one, after: grown }, [TABLE], ask);
    assert.deepEqual(
      changes.map(({ code }) => code),
      ["TYPE_CHANGED", "PARTITION_NEW"],
    );
    for (const { message, fix } of changes) {
      assert.match(message, /at the target.*the source (?:still has the old one|needs it)/);
      assert.doesNotMatch(fix ?? "", /at the target/i);
    }
    const gone = await changesBetween({ side: "target", before: grown, after: { ...one, tables: {} } }, [TABLE], ask);
    assert.deepEqual([gone[0]?.code, gone[0]?.fix], ["TABLE_DROPPED", null], "nobody is told to begin anew with an empty target");
    const fault = faultOf({ side: "target", publication: "pub" }, { ...one, publication: null }, [TABLE]);
    assert.equal(fault?.error.kind, "target");
    assert.match(fault?.error.suggestion ?? "", /stay at the target/);
    const renamed = faultOf({ side: "target", publication: "pub" }, footprint({}, "a", "m", { name: "public.u" }), [TABLE]);
    assert.match(renamed?.error.message ?? "", /renamed at the target.*the source still has the old name/);
  });

  it("a thousand partitions emptied at once are a few sentences", async () => {
    const many = (node: string): Footprint =>
      footprint(Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [index + 10, leaf(`p${index}`, { node })])));
    const changes = await changesBetween({ side: "source", before: many("1"), after: many("2") }, [TABLE], {
      bytes: async () => 0,
      firstRowOf: async () => null,
    });
    assert.equal(changes.length, 3);
    assert.match(changes.at(-1)?.message ?? "", /and 997 more of this kind$/);
  });
});
