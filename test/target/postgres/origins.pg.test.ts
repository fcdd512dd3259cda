/** Replication origins belong to the server: what one migration removes must be its own, and of its own database. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { forgetMigration } from "../../../src/side/postgres/bookkeeping/forget-migration.ts";
import { originPrefix } from "../../../src/workflow/names.ts";
import { createDatabase, query, type TestDatabase } from "../../support/database.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { openTarget } from "./bench.ts";

suite("origins of migrations side by side", () => {
  let server: PgServer;
  before(async () => {
    server = await startServer({ version: 15 });
  });
  after(() => server[Symbol.asyncDispose]());

  test("a teardown leaves those of a migration whose name goes on, and of the same name in another database", async () => {
    const [one, two] = [await createDatabase(server), await createDatabase(server)];
    const open = (database: TestDatabase, migration: string) => openTarget(database, { migration, originPrefix: originPrefix(migration) });
    const targets = await Promise.all([open(one, "pay"), open(one, "pay-archive"), open(two, "pay")]);
    for (const target of targets) await target.transaction("stream", (tx) => tx.setStreamPosition(1n));
    await Promise.all(targets.map((target) => target.close()));
    const origins = async () => (await query<{ n: number }>(one, "select count(*)::int as n from pg_replication_origin"))[0]?.n;
    assert.equal(await origins(), 3);
    const client = await one.connect();
    await forgetMigration(client, {
      side: "target",
      migration: "pay",
      markers: "marker_pay",
      originPrefix: originPrefix("pay"),
      signal: new AbortController().signal,
    });
    await client.end();
    assert.equal(await origins(), 2);
    assert.deepEqual(await query(one, "select migration from pghaul.progress"), [{ migration: "pay-archive" }]);
    assert.equal((await query(two, "select from pghaul.progress")).length, 1);
  });
});
