import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config } from "../../src/config/config.ts";
import type { Table } from "../../src/model/table.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { cutoverDigest } from "../../src/workflow/cutover/cutover-digest.ts";
import type { Migration } from "../../src/workflow/open-migration.ts";
import { table } from "./gate-context.ts";

const CUTOVER = {
  maxStall: 250,
  sequenceMargin: 1000,
  deadlines: {},
  gates: { maxLagBytes: 1 },
  routing: [{ kind: "hook", command: ["./route.sh"], timeout: 10_000 }],
};

function migration(cutover: object = CUTOVER, target = "app@target/app", password = "one"): Migration {
  const source = { spec: resolveConnection({ url: `postgres://app:${password}@source/app` }) };
  return { name: "m", config: { cutover } as unknown as Config, source, target: { description: target } } as Migration;
}

const TABLES = [table("public.a"), table("public.b")];
const STEPS = ["one", "two"];

describe("cutover plan digest", () => {
  const digest = cutoverDigest(migration(), "target", TABLES, STEPS);

  it("is the same for the same plan, in whatever order its facts come", () => {
    assert.match(digest, /^[0-9a-f]{16}$/);
    const turned = Object.fromEntries(Object.entries(CUTOVER).toReversed());
    assert.equal(cutoverDigest(migration(turned), "target", TABLES.toReversed(), STEPS), digest);
    const grown = TABLES.map((one): Table => ({ ...one, leaves: one.leaves.map((leaf) => ({ ...leaf, rows: 10, bytes: 99 })) }));
    assert.equal(cutoverDigest(migration(), "target", grown, STEPS), digest, "rows that were written are no other plan");
  });

  it("does not depend on a password", () => {
    assert.equal(cutoverDigest(migration(CUTOVER, "app@target/app", "two"), "target", TABLES, STEPS), digest);
  });

  it("is another one when anything changes that was reviewed", () => {
    const column = { name: "note", type: "text", identityAlways: false, notNull: false };
    const changed: readonly string[] = [
      cutoverDigest(migration(), "source", TABLES, STEPS),
      cutoverDigest(migration(), "target", [...TABLES, table("public.c")], STEPS),
      cutoverDigest(
        migration(),
        "target",
        TABLES.map((one) => ({ ...one, columns: [column] })),
        STEPS,
      ),
      cutoverDigest(migration(), "target", TABLES, ["one"]),
      cutoverDigest(migration({ ...CUTOVER, maxStall: 300 }), "target", TABLES, STEPS),
      cutoverDigest(migration({ ...CUTOVER, gates: { maxLagBytes: 2 } }), "target", TABLES, STEPS),
      cutoverDigest(migration({ ...CUTOVER, routing: [] }), "target", TABLES, STEPS),
      cutoverDigest(migration(CUTOVER, "app@elsewhere/app"), "target", TABLES, STEPS),
    ];
    assert.equal(new Set([digest, ...changed]).size, changed.length + 1);
  });
});
