import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import Database from "better-sqlite3";
import { MIGRATIONS } from "../../src/state/storage/migrate.ts";

/**
 * One entry a schema version. Once a version is released its hash must never change: state directories in use were made by it. A change
 * of the schema is a new migration, and a new entry here that says what happens to a state of the version before.
 */
const DECISIONS: readonly { readonly schema: string; readonly decision: string }[] = [
  {
    schema: "6e6cfd5cc8cb95e41eea90e069ec2c05643c927b14a50af2226a4c53253f8542",
    decision:
      "The first schema. Not released yet: until 0.1.0 is out it may change in place, and a state directory of a build in between is started anew.",
  },
];

/** SHA-256 of all that SQLite keeps of the schema after the migration, blanks and comments aside. */
function schemaHash(migrations: readonly string[]): string {
  const sqlite = new Database(":memory:");
  try {
    for (const sql of migrations) sqlite.exec(sql);
    const statements = sqlite.prepare("select sql from sqlite_schema where sql is not null order by type, name").pluck().all() as string[];
    const bare = statements.map((sql) =>
      sql
        .replaceAll(/--[^\n]*/g, "")
        .replaceAll(/\s+/g, " ")
        .trim(),
    );
    return createHash("sha256").update(bare.join("\n")).digest("hex");
  } finally {
    sqlite.close();
  }
}

test("every schema version has a compatibility decision, and none has changed since it was written", () => {
  const found = MIGRATIONS.map((_, index) => schemaHash(MIGRATIONS.slice(0, index + 1)));
  assert.deepEqual(
    found,
    DECISIONS.map(({ schema }) => schema),
    "the SQL schema changed: write a new migration, and say in DECISIONS what happens to a state of the version before",
  );
  for (const { decision } of DECISIONS) assert.ok(decision.length > 40);
});

test("the hash sees a new column and does not see a comment", () => {
  const [first = ""] = MIGRATIONS;
  const hash = schemaHash([first]);
  assert.equal(schemaHash([first.replaceAll(/--[^\n]*\n/g, "\n")]), hash);
  assert.notEqual(schemaHash([first, "alter table chunk add column weight integer"]), hash);
  assert.notEqual(schemaHash([first.replace("'pending', ", "")]), hash);
});
