import type pg from "pg";
import type { ReadView } from "../../../engine/ports.ts";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, parseLsn } from "../../../model/lsn.ts";
import type { SideName } from "../../../model/side.ts";
import { isVisible, parseSnapshot } from "../../../model/snapshot.ts";
import type { Table } from "../../../model/table.ts";
import type { VerifyOrigin, VerifyReplica } from "../../../verify/ports.ts";
import { positionSql, type StreamId } from "../bookkeeping/progress-queries.ts";
import { openLocked, PostgresSnapshot, type SnapshotSide } from "./postgres-snapshot.ts";

export interface SideOptions {
  readonly side: SideName;
  /** The signal ends connecting. */
  readonly connect: (purpose: string, signal?: AbortSignal) => Promise<pg.Client>;
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
}

function snapshotSide({ side, connect, sleep }: SideOptions): SnapshotSide {
  const cancel = async (pid: string): Promise<void> => {
    const client = await connect("verify cancel");
    await client.query("select pg_cancel_backend($1::int)", [pid]).finally(() => client.end());
  };
  return { side, sleep, cancel };
}

/** The primary: its snapshot, and the WAL position behind everything the snapshot contains (read after it, in the same query). */
export class PostgresOrigin implements VerifyOrigin {
  readonly #options: SideOptions;

  constructor(options: SideOptions) {
    this.#options = options;
  }

  async open(table: Table, signal: AbortSignal): Promise<{ snapshot: PostgresSnapshot; view: ReadView; hi: Lsn }> {
    const client = await this.#options.connect(`verify ${table.id}`, signal);
    try {
      const side = snapshotSide(this.#options);
      const select = "pg_current_snapshot()::text as snapshot, pg_current_wal_insert_lsn()::text as hi";
      const opened = await openLocked<{ snapshot: string; hi: string }>(client, { ...side, table, select }, signal);
      const parsed = parseSnapshot(opened.snapshot);
      const view: ReadView = { text: opened.snapshot, contains: ({ xid }) => isVisible(parsed, xid) };
      return { snapshot: new PostgresSnapshot(client, { table, side, opened, signal }), view, hi: parseLsn(opened.hi) };
    } catch (error) {
      await client.end();
      throw error;
    }
  }
}

export interface ReplicaOptions extends SideOptions {
  /** Whose position is read, inside the snapshot that it describes. */
  readonly stream: StreamId;
  /** Makes the stream move past what the primary has written so far; called while waiting. */
  readonly nudge: () => Promise<void>;
  readonly waiting: (why: string) => void;
  /** How long the stream is waited for, ms: under writers that it cannot follow it would be for ever. */
  readonly maxWaitMillis: number;
  readonly now: () => number;
}

const POLL_MILLIS = 20;
const NUDGE_EVERY = 10;
const TELL_EVERY = 250;

/** The side that follows: the position is stored in the transactions that apply, so a snapshot shows exactly the rows of its position. */
export class PostgresReplica implements VerifyReplica {
  readonly #options: ReplicaOptions;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  async reach(lsn: Lsn, signal: AbortSignal): Promise<void> {
    const client = await this.#options.connect("verify position", signal);
    try {
      await this.#reach(client, lsn, this.#deadline(), signal);
    } finally {
      await client.end();
    }
  }

  async openAt(table: Table, lsn: Lsn, signal: AbortSignal): Promise<{ snapshot: PostgresSnapshot; position: Lsn }> {
    const client = await this.#options.connect(`verify ${table.id}`, signal);
    const deadline = this.#deadline();
    try {
      const side = snapshotSide(this.#options);
      for (;;) {
        // Without a lock: the stream's own TRUNCATE would queue behind it.
        await this.#reach(client, lsn, deadline, signal);
        const select = `(${positionSql(this.#options.stream)})::text as position`;
        const opened = await openLocked<{ position: string | null }>(client, { ...side, table, select }, signal);
        const position = opened.position === null ? null : parseLsn(opened.position);
        if (position !== null && position >= lsn) {
          return { snapshot: new PostgresSnapshot(client, { table, side, opened, signal }), position };
        }
        await client.query("rollback");
      }
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  #deadline(): number {
    return this.#options.now() + this.#options.maxWaitMillis;
  }

  /** Throws STREAM_NOT_RUNNING at the deadline. */
  async #reach(client: pg.Client, lsn: Lsn, deadline: number, signal: AbortSignal): Promise<void> {
    const { stream, nudge, waiting, sleep, now } = this.#options;
    for (let round = 0; ; round += 1) {
      signal.throwIfAborted();
      const { rows } = await client.query<{ position: string | null }>(`select (${positionSql(stream)})::text as position`);
      const position = rows[0]?.position == null ? null : parseLsn(rows[0].position);
      if (position !== null && position >= lsn) return;
      if (now() >= deadline) throw this.#tooFarBehind(position, lsn);
      if (round % NUDGE_EVERY === 0) await nudge();
      if (round % TELL_EVERY === TELL_EVERY - 1) {
        waiting(`the stream is at ${position === null ? "no position" : formatLsn(position)}, ${formatLsn(lsn)} is needed`);
      }
      await sleep(POLL_MILLIS, signal);
    }
  }

  #tooFarBehind(position: Lsn | null, wanted: Lsn): PghaulError {
    const { side, maxWaitMillis } = this.#options;
    const where = position === null ? "has no position" : `is at ${formatLsn(position)}, ${wanted - position} bytes behind`;
    return new PghaulError(
      "STREAM_NOT_RUNNING",
      `the stream did not come to ${formatLsn(wanted)} at the ${side} within ${Math.round(maxWaitMillis / 1000)} s (verify.maxWait): it ${where}`,
      { suggestion: "pghaul status   # and again when the lag is small" },
    );
  }
}
