/** What a switch asks beside the sessions that drive it ends, whatever the server does. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { PghaulError } from "../../src/errors/pghaul-error.ts";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { takeOverWayBack } from "../../src/workflow/cutover/way-back-sessions.ts";
import type { Migration } from "../../src/workflow/open-migration.ts";
import { openWatchSession } from "../../src/workflow/watch-session.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";

const silent = (error: PghaulError): boolean =>
  error.code === "CUTOVER_DEADLINE" && /^the source did not answer within/.test(error.message);

describe("the session that watches a side", { timeout: deadline(60_000) }, () => {
  let server: PgServer;
  let database: TestDatabase;
  before(async () => {
    server = await startServer({ version: 16 });
    database = await createDatabase(server);
  });
  after(() => server[Symbol.asyncDispose]());

  const sides: Pick<Migration, "name" | "connect"> = {
    name: "m",
    connect: (side, purpose, options) => connect(resolveConnection({ url: database.url }), { side, purpose, ...options }),
  };
  const watch = (limitMillis: number) => openWatchSession(sides, "source", limitMillis);

  it("a statement that takes too long is ended by the server, and the session goes on", async () => {
    const client = await watch(300);
    await assert.rejects(client.query("select pg_sleep(20)"), (error: { code?: string }) => error.code === "57014");
    assert.equal((await client.query("select 1")).rowCount, 1);
    await client.end();
  });

  it("a backend that has frozen is not waited for, and asked only once", async () => {
    const client = await watch(300);
    const { rows } = await client.query<{ pid: string }>("select pg_backend_pid()::text as pid");
    const pid = Number(rows[0]?.pid);
    process.kill(pid, "SIGSTOP");
    try {
      const began = performance.now();
      for (let question = 1; question <= 5; question += 1) await assert.rejects(client.query("select 1"), silent);
      const took = performance.now() - began;
      assert.ok(took < 5_000, `gave up after ${took} ms`);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });

  it("whoever makes the way back ends what an earlier maker's server still does for it, and then it is gone", async () => {
    const killed = await takeOverWayBack(sides);
    const admin = await database.connect();
    const [waiting, idle] = [await killed.connect("target", "prepare reverse slot"), await killed.connect("target", "publication")];
    const gone = assert.rejects(waiting.query("select pg_sleep(600)"));
    const alive = async () =>
      (
        await admin.query(
          "select from pg_stat_activity where application_name like '%prepare reverse slot%' or application_name like '%publication%'",
        )
      ).rowCount;
    assert.equal(await alive(), 2);
    for (const client of [waiting, idle]) client.connection.stream.destroy();
    const next = await takeOverWayBack(sides);
    assert.equal(await alive(), 0);
    await next.session("source", "prepare way back", (client) => client.query("select 1"));
    await gone;
    await admin.end();
  });

  it("a server that lets nobody in any more is not waited for", async () => {
    const postmaster = Number(readFileSync(join(server.dataDir, "postmaster.pid"), "utf8").split("\n")[0]);
    process.kill(postmaster, "SIGSTOP");
    try {
      await assert.rejects(watch(500), silent);
    } finally {
      process.kill(postmaster, "SIGCONT");
    }
  });
});
