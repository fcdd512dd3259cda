import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { decodeMessage } from "../../src/pgoutput/decode.ts";
import { frameEnd, frameStart } from "../../src/pgoutput/frames.ts";
import type { Message } from "../../src/pgoutput/messages.ts";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { openReplicationStream, type ReplicationStream, type ReplicationStreamOptions } from "../../src/source/replication-stream.ts";
import { createSlot, dropSlot, readSlot } from "../../src/source/slot.ts";
import { createDatabase, type TestDatabase, waitFor } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type PgServer, startServer, TRIED_VERSIONS } from "../support/pg-server.ts";
import { startProxy } from "../support/proxy.ts";
import { sessionsAt } from "./source-session.ts";

const NEVER = new AbortController().signal;
/** Longer than the silence that a stream is told to bear, and than the server's. */
const QUIET_MILLIS = 2_500;

for (const version of TRIED_VERSIONS) {
  describe(`streaming from PostgreSQL ${version}`, () => {
    let server: PgServer;
    let database: TestDatabase;
    let client: pg.Client;

    before(async () => {
      server = await startServer({ version, settings: { wal_sender_timeout: "1500ms" } });
      database = await createDatabase(server);
      client = await sessionsAt(database.url)("test");
      await client.query(
        "create table t (id int primary key, text text); alter table t alter text set storage external; create publication p for table t",
      );
    });
    after(async () => {
      await client.end();
      await server[Symbol.asyncDispose]();
    });

    async function open(options: Partial<ReplicationStreamOptions> = {}, url = database.url): Promise<ReplicationStream> {
      const walsender = await walsenderAt(url);
      return openReplicationStream(walsender, { side: "source", slot: "s", publications: ["p"], from: 0n, signal: NEVER, ...options });
    }

    async function withSlot(work: () => Promise<void>): Promise<void> {
      await createSlot(client, client, {
        side: "source",
        name: "s",
        failover: false,
        timeoutMillis: deadline(10_000),
        waiting: () => undefined,
      });
      try {
        await work();
      } finally {
        await waitFor(async () => (await readSlot(client, "s"))?.activePid === null, { deadlineMs: 10_000, what: "the walsender to end" });
        await dropSlot(client, { side: "source", name: "s" });
      }
    }

    test("messages come in order, whole, and again until they are acknowledged", () =>
      withSlot(async () => {
        for (const statement of ["truncate t", "insert into t values (1, 'é')", "update t set text = null"]) await client.query(statement);
        const first = await open();
        const messages = await receive(first, 3);
        assert.deepEqual(
          messages.filter(({ kind }) => kind === "insert" || kind === "update" || kind === "truncate").map(({ kind }) => kind),
          ["truncate", "insert", "update"],
        );
        await first.close();
        const second = await open();
        const again = await receive(second, 3);
        assert.deepEqual(again, messages);
        const end = commitsOf(again).at(-1)?.endLsn ?? 0n;
        second.acknowledge(end);
        await second.close();
        assert.equal((await readSlot(client, "s"))?.confirmedFlushLsn, end);
        await client.query("insert into t values (2, 'b')");
        const third = await open();
        assert.deepEqual((await receive(third, 1)).filter(({ kind }) => kind === "insert").length, 1);
        await third.close();
      }));

    test("a consumer that does not read is not cut off, and the buffer stays small", () =>
      withSlot(async () => {
        const stream = await open({ maxBufferedBytes: 256 * 1024 });
        await client.query("insert into t select i, repeat(md5(i::text), 30) from generate_series(10, 20000) i");
        await waitFor(() => stream.bufferedBytes >= 256 * 1024, { deadlineMs: 20_000, what: "the buffer to fill" });
        const { rows } = await client.query<{ pid: string }>(
          "select pid::text from pg_stat_replication where state = 'streaming' or state = 'catchup'",
        );
        // Longer than the server's patience: only the timer keeps the connection.
        await waitFor(
          async () => {
            const { rows: later } = await client.query<{ waited: string }>(
              "select (clock_timestamp() - backend_start > interval '4 seconds')::text as waited from pg_stat_replication where pid = $1",
              [rows[0]?.pid],
            );
            assert.equal(later.length, 1, "the walsender is gone");
            return later[0]?.waited === "true";
          },
          { deadlineMs: 15_000, what: "four seconds of not reading", everyMs: 200 },
        );
        assert.ok(stream.bufferedBytes < 256 * 1024 + 128 * 1024, `${stream.bufferedBytes} bytes are held`);
        const messages = await receive(stream, 1);
        assert.equal(messages.filter(({ kind }) => kind === "insert").length, 19_991);
        await stream.close();
      }));

    test("a value of 40 MB passes", () =>
      withSlot(async () => {
        const stream = await open();
        await client.query("insert into t values (-1, repeat('0123456789', 4000000))");
        const insert = (await receive(stream, 1)).find((message) => message.kind === "insert");
        const value = insert?.row[1];
        assert.equal(typeof value === "string" && value.length, 40_000_000);
        await stream.close();
      }));

    test("a nudge is answered by a keepalive, also where nothing happens", () =>
      withSlot(async () => {
        const stream = await open();
        await drain(stream);
        stream.nudge();
        const { frames, walEnd } = await stream.next(10_000);
        assert.equal(frames.length, 0);
        assert.ok((walEnd ?? 0n) > 0n);
        await stream.close();
      }));

    test("next() comes back empty when nothing arrives, and ends with the signal's reason", () =>
      withSlot(async () => {
        const stop = new AbortController();
        const stream = await open({ signal: stop.signal });
        await drain(stream);
        const waiting = stream.next(60_000);
        stop.abort(new Error("stopped"));
        await assert.rejects(waiting, /stopped/);
        await assert.rejects(stream.next(1), /stopped/);
        await stream.close();
      }));

    test("a stream that is read is refused to others; a slot that does not exist is lost", () =>
      withSlot(async () => {
        const stream = await open();
        await assert.rejects(open(), hasCode("SLOT_ACTIVE"));
        await stream.close();
        await assert.rejects(open({ slot: "no_such_slot" }), hasCode("SLOT_LOST"));
      }));

    test("slots of another database and of another kind are foreign", async () => {
      const other = await createDatabase(server);
      const elsewhere = await sessionsAt(other.url)("elsewhere");
      await createSlot(elsewhere, elsewhere, {
        side: "source",
        name: "elsewhere",
        failover: false,
        timeoutMillis: deadline(10_000),
        waiting: () => undefined,
      });
      await assert.rejects(open({ slot: "elsewhere" }), hasCode("SLOT_FOREIGN"));
      await dropSlot(elsewhere, { side: "source", name: "elsewhere" });
      await elsewhere.end();
      await client.query("select pg_create_physical_replication_slot('physical', true)");
      await assert.rejects(open({ slot: "physical" }), hasCode("SLOT_FOREIGN"));
      await dropSlot(client, { side: "source", name: "physical" });
    });

    test("a publication that is missing is an error, never an empty stream", () =>
      withSlot(async () => {
        const stream = await open({ publications: ["p", "missing"] });
        await client.query("insert into t values (-100, 'x') on conflict do nothing; delete from t where id = -100");
        await assert.rejects(receive(stream, 1), (error) => {
          return (
            error instanceof PghaulError && error.code === "SOURCE_QUERY" && /missing/.test(error.message) && error.suggestion !== undefined
          );
        });
        await stream.close();
      }));

    test("a connection that breaks is lost, whatever it was doing; frames that had arrived are handed over first", () =>
      withSlot(async () => {
        await using proxy = await startProxy({ to: server.port });
        const stream = await open({}, proxy.through(database.url));
        await client.query("delete from t where id = -5; insert into t values (-5, 'x')");
        await waitFor(() => stream.bufferedBytes > 0, { deadlineMs: 10_000, what: "frames" });
        proxy.resetAll();
        await waitFor(() => proxy.open === 0, { deadlineMs: 10_000, what: "the reset" });
        assert.ok((await stream.next(1)).frames.length > 0);
        await assert.rejects(readUntilFailure(stream), hasCode("SOURCE_LOST"));
        await stream.close();
        const idle = await open({}, proxy.through(database.url));
        const waiting = readUntilFailure(idle);
        proxy.cut();
        await assert.rejects(waiting, hasCode("SOURCE_LOST"));
        await idle.close();
      }));

    test("a network that goes silent is noticed; a server that has nothing to say is not lost", () =>
      withSlot(async () => {
        await using proxy = await startProxy({ to: server.port });
        const stream = await open({ silentMillis: 1_000 }, proxy.through(database.url));
        const quiet = performance.now() + QUIET_MILLIS;
        while (performance.now() < quiet) await stream.next(200);
        proxy.pause();
        await assert.rejects(readUntilFailure(stream), hasCode("SOURCE_LOST"));
        await stream.close();
      }));

    test("starting can be stopped, also when the server does not answer", () =>
      withSlot(async () => {
        await using proxy = await startProxy({ to: server.port });
        const walsender = await walsenderAt(proxy.through(database.url));
        proxy.pause();
        const stop = new AbortController();
        const starting = openReplicationStream(walsender, {
          side: "source",
          slot: "s",
          publications: ["p"],
          from: 0n,
          signal: stop.signal,
        });
        stop.abort(new Error("stopped"));
        await assert.rejects(starting, /stopped/);
      }));

    test("a slot that is invalidated while it is not read is lost", async () => {
      await using small = await startServer({
        version,
        settings: { max_slot_wal_keep_size: "16MB", max_wal_size: "32MB", min_wal_size: "32MB" },
      });
      const session = await sessionsAt(small.url())("small");
      await session.query("create table t (id int, text text); create publication p for table t");
      await createSlot(session, session, {
        side: "source",
        name: "s",
        failover: false,
        timeoutMillis: deadline(10_000),
        waiting: () => undefined,
      });
      await waitFor(
        async () => {
          await session.query("insert into t select i, repeat(md5(i::text), 10) from generate_series(1, 60000) i");
          await session.query("select pg_switch_wal()");
          await session.query("checkpoint");
          return (await readSlot(session, "s"))?.walStatus === "lost";
        },
        { deadlineMs: 60_000, what: "the slot to be lost" },
      );
      await assert.rejects(open({}, small.url()), hasCode("SLOT_LOST"));
      await session.end();
    });
  });
}

function walsenderAt(url: string): Promise<pg.Client> {
  const spec = resolveConnection({ url }, { env: {}, home: undefined, user: undefined, socketDirs: [] });
  return connect(spec, { side: "source", purpose: "tail", replication: true });
}

/** Messages up to and with the n-th commit. */
async function receive(stream: ReplicationStream, commits: number): Promise<Message[]> {
  const messages: Message[] = [];
  const lastTry = Date.now() + deadline(30_000);
  while (commitsOf(messages).length < commits) {
    if (Date.now() > lastTry) throw new Error(`${commitsOf(messages).length} of ${commits} commits came`);
    const { frames } = await stream.next(1_000);
    for (let at = 0; at < frames.length; ) {
      const end = frameEnd(frames, at);
      messages.push(decodeMessage(frames, frameStart(at), end, 0n));
      at = end;
    }
  }
  // Before 15 other transactions of the database come as empty ones.
  return withoutEmpty(messages);
}

function withoutEmpty(messages: readonly Message[]): Message[] {
  return messages.filter((message, at) => {
    if (message.kind === "begin") return messages[at + 1]?.kind !== "commit";
    return message.kind !== "commit" || messages[at - 1]?.kind !== "begin";
  });
}

function commitsOf(messages: readonly Message[]): { readonly endLsn: Lsn }[] {
  return withoutEmpty(messages).filter((message) => message.kind === "commit");
}

async function drain(stream: ReplicationStream): Promise<void> {
  for (;;) {
    const { frames, walEnd } = await stream.next(300);
    if (frames.length === 0 && walEnd === null) return;
    if (walEnd !== null) stream.acknowledge(walEnd);
  }
}

async function readUntilFailure(stream: ReplicationStream): Promise<never> {
  const lastTry = Date.now() + deadline(30_000);
  while (Date.now() < lastTry) await stream.next(1_000);
  throw new Error("it goes on");
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PghaulError && error.code === code;
}
