/** What a driver that is gone has left to the server: it must have ended before anybody says what is so. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import type { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { DriverSession } from "../../../src/side/postgres/switch/driver-session.ts";
import { PostgresSide } from "../../../src/side/postgres/switch/postgres-side.ts";
import { MARKERS, openBench, ROOTS, type SideBench, stateOf, TOKEN, tableName } from "../../cutover/side-bench.ts";
import { waitFor } from "../../support/database.ts";
import { deadline } from "../../support/deadline.ts";
import { type PgServer, type PgVersion, startServer } from "../../support/pg-server.ts";

const VERSIONS: readonly PgVersion[] = [13, 18];
const UPDATE = "update plain set note = 'late' where id = 1";

interface Driver {
  readonly side: PostgresSide;
  /** Its last session, as the server knows it. */
  pid(): number;
  /** As after kill -9: nothing is sent any more, the kernel closes the socket. */
  die(): void;
}

for (const version of VERSIONS) {
  describe(`taking a side over on PostgreSQL ${version}`, { timeout: deadline(120_000) }, () => {
    let server: PgServer;
    let bench: SideBench;
    before(async () => {
      server = await startServer({ version });
      bench = await openBench(server);
    });
    after(async () => {
      await bench.close();
      await server[Symbol.asyncDispose]();
    });

    /** A process that drives the side, ready to fence it. */
    async function drive(): Promise<Driver> {
      const clients: pg.Client[] = [];
      const open = async (): Promise<pg.Client> => {
        const client = await bench.connect();
        client.on("error", () => undefined);
        clients.push(client);
        return client;
      };
      const session = new DriverSession({ side: "source", migration: "bench", open, now: () => performance.now() });
      const tables = ROOTS.map(tableName);
      const side = new PostgresSide({
        name: "source",
        session,
        tables,
        applierToken: TOKEN,
        markers: MARKERS,
        now: () => performance.now(),
      });
      await side.takeOver(5_000);
      await side.warmUp();
      const last = (): pg.Client => clients.at(-1) as pg.Client;
      return { side, pid: () => (last() as unknown as { processID: number }).processID, die: () => last().connection.stream.destroy() };
    }

    /** A fence asks in slices that grow; one that has waited this long has about as much left. */
    const waiting = (admin: pg.Client, what: string) =>
      waitFor(
        async () =>
          (
            await admin.query(
              "select 1 from pg_stat_activity where wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '700 milliseconds'",
            )
          ).rowCount === 1,
        { deadlineMs: 20_000, what },
      );
    const alive = async (admin: pg.Client, pid: number) =>
      (await admin.query("select 1 from pg_stat_activity where pid = $1", [pid])).rowCount === 1;

    for (const act of ["fence", "guard"] as const) {
      it(`a ${act} that waits for a lock does not take effect after its driver has died and the switch was cancelled`, async () => {
        const admin = await bench.connect();
        const holder = await bench.connect("app");
        const killed = await drive();
        await holder.query(`begin; ${UPDATE}`);
        const lost = act === "fence" ? killed.side.fence("marker-killed", 20_000) : killed.side.guard();
        const gone = assert.rejects(lost);
        await waiting(admin, `the ${act} to wait`);
        killed.die();
        const next = await drive();
        assert.equal(await alive(admin, killed.pid()), false, "the earlier session is gone");
        await next.side.open(`cancelled-${act}`, 5_000);
        await holder.query("commit");
        // Whoever would still get the lock has it before this one.
        await admin.query("begin; lock table plain in access exclusive mode; commit");
        assert.equal(await next.side.fenceState(), "none");
        assert.equal(await stateOf(holder, UPDATE), null, "the side takes writes, as was said");
        await gone;
        await next.side.close();
      });
    }

    it("a server that has frozen is not waited for; once it goes on, what it did late is seen and undone", async () => {
      const admin = await bench.connect();
      const driver = await drive();
      const frozen = driver.pid();
      process.kill(frozen, "SIGSTOP");
      try {
        const began = performance.now();
        await assert.rejects(driver.side.fence("marker-frozen", 300), (error: PghaulError) => error.code === "CUTOVER_DEADLINE");
        const fenced = performance.now() - began;
        assert.ok(fenced < 2_000, `the fence gave up after ${fenced} ms`);
        await assert.rejects(driver.side.open("cancelled", 300), (error: PghaulError) => error.code === "SOURCE_LOST");
        await assert.rejects(driver.side.takeOver(700), (error: PghaulError) => {
          assert.equal(error.code, "CUTOVER_DEADLINE");
          assert.equal(error.context.pids, String(frozen));
          return true;
        });
        const gaveUp = performance.now() - began - fenced;
        assert.ok(gaveUp < 4_000, `taking over gave up after ${gaveUp} ms`);
      } finally {
        process.kill(frozen, "SIGCONT");
      }
      await driver.side.takeOver(20_000);
      assert.equal(await alive(admin, frozen), false);
      await driver.side.open("cancelled-frozen", 5_000);
      assert.equal(await driver.side.fenceState(), "none");
      await driver.side.close();
    });

    it("a session that was ended is one to be taken over anew, and a driver that is well keeps its own", async () => {
      const admin = await bench.connect();
      const driver = await drive();
      const pid = driver.pid();
      await driver.side.takeOver(5_000);
      assert.equal(driver.pid(), pid);
      await admin.query("select pg_terminate_backend($1)", [pid]);
      await waitFor(async () => !(await alive(admin, pid)), { deadlineMs: 20_000, what: "the session to end" });
      await driver.side.takeOver(5_000);
      assert.notEqual(driver.pid(), pid);
      await driver.side.fence("marker-again", 5_000);
      await driver.side.open("opened-again", 5_000);
      await driver.side.close();
    });

    it("a statement that nobody waits for ends by the server's own deadline", async () => {
      const driver = await drive();
      const admin = await bench.connect();
      const { rows } = await admin.query(
        "select count(*)::int as held from pg_locks where locktype = 'advisory' and pid = $1 and granted",
        [driver.pid()],
      );
      assert.equal(rows[0].held, 1, "its session holds the driver lock");
      const session = new DriverSession({ side: "source", migration: "other", open: () => bench.connect(), now: () => performance.now() });
      await session.takeOver(5_000);
      const settings = await session.query<{ name: string; setting: string }>(
        `select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'client_connection_check_interval') order by name`,
      );
      const deadlines = Object.fromEntries(settings.rows.map(({ name, setting }) => [name, setting]));
      assert.deepEqual(deadlines, {
        ...(version >= 14 ? { client_connection_check_interval: "1000" } : {}),
        idle_in_transaction_session_timeout: "30000",
        lock_timeout: "10000",
        statement_timeout: "30000",
      });
      await session.close();
      await driver.side.close();
    });
  });
}
