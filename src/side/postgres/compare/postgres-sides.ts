import type pg from "pg";
import type { ReadView } from "../../../engine/ports.ts";
import { type Lsn, parseLsn } from "../../../model/lsn.ts";
import type { SideName } from "../../../model/side.ts";
import { isVisible, parseSnapshot } from "../../../model/snapshot.ts";
import type { Table } from "../../../model/table.ts";
import type { StartWait, VerifyOrigin, VerifyReplica, Wait } from "../../../verify/ports.ts";
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
  readonly startWait: StartWait;
}

const POLL_MILLIS = 20;

/** The side that follows: the position is stored in the transactions that apply, so a snapshot shows exactly the rows of its position. */
export class PostgresReplica implements VerifyReplica {
  readonly #options: ReplicaOptions;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  async reach(lsn: Lsn, signal: AbortSignal): Promise<void> {
    const client = await this.#options.connect("verify position", signal);
    try {
      await this.#startWait(lsn)(() => this.#position(client), signal);
    } finally {
      await client.end();
    }
  }

  async openAt(table: Table, lsn: Lsn, signal: AbortSignal): Promise<{ snapshot: PostgresSnapshot; position: Lsn }> {
    const client = await this.#options.connect(`verify ${table.id}`, signal);
    const wait = this.#startWait(lsn);
    try {
      const side = snapshotSide(this.#options);
      for (;;) {
        // Without a lock: the stream's own TRUNCATE would queue behind it.
        await wait(() => this.#position(client), signal);
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

  #startWait(lsn: Lsn): Wait {
    return this.#options.startWait({ side: this.#options.side, lsn, pollMillis: POLL_MILLIS });
  }

  async #position(client: pg.Client): Promise<Lsn | null> {
    const { rows } = await client.query<{ position: string | null }>(`select (${positionSql(this.#options.stream)})::text as position`);
    return rows[0]?.position == null ? null : parseLsn(rows[0].position);
  }
}
