import type pg from "pg";
import type { ReadView } from "../engine/ports.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";
import { isVisible, parseSnapshot } from "../model/snapshot.ts";
import type { Table } from "../model/table.ts";
import type { VerifyOrigin, VerifyReplica } from "./ports.ts";
import { beginSnapshot, PostgresSnapshot } from "./postgres-snapshot.ts";

export type OpenSession = (purpose: string) => Promise<pg.Client>;

/** The primary: its snapshot, and the WAL position behind everything the snapshot contains (read after it, in the same query). */
export class PostgresOrigin implements VerifyOrigin {
  readonly #connect: OpenSession;

  constructor(connect: OpenSession) {
    this.#connect = connect;
  }

  async open(table: Table): Promise<{ snapshot: PostgresSnapshot; view: ReadView; hi: Lsn }> {
    const client = await this.#connect(`verify ${table.id}`);
    try {
      await beginSnapshot(client);
      const { rows } = await client.query<{ snapshot: string; hi: string }>(
        "select pg_current_snapshot()::text as snapshot, pg_current_wal_insert_lsn()::text as hi",
      );
      const { snapshot, hi } = rows[0] as { snapshot: string; hi: string };
      const parsed = parseSnapshot(snapshot);
      const view: ReadView = { text: snapshot, contains: ({ xid }) => isVisible(parsed, xid) };
      return { snapshot: new PostgresSnapshot(client, table), view, hi: parseLsn(hi) };
    } catch (error) {
      await client.end();
      throw error;
    }
  }
}

export interface ReplicaOptions {
  readonly connect: OpenSession;
  /** `select position ... as position`: the applied position, read inside the snapshot that it describes. */
  readonly positionSql: string;
  /** Makes the stream move past what the primary has written so far; called while waiting. */
  readonly nudge: () => Promise<void>;
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
  readonly waiting: (why: string) => void;
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

  async openAt(table: Table, lsn: Lsn, signal: AbortSignal): Promise<{ snapshot: PostgresSnapshot; position: Lsn }> {
    const client = await this.#options.connect(`verify ${table.id}`);
    try {
      for (let round = 0; ; round += 1) {
        const position = await this.#snapshotPosition(client);
        if (position !== null && position >= lsn) return { snapshot: new PostgresSnapshot(client, table), position };
        await client.query("rollback");
        if (round % NUDGE_EVERY === 0) await this.#options.nudge();
        if (round % TELL_EVERY === TELL_EVERY - 1) {
          this.#options.waiting(
            `${table.id}: the stream is at ${position === null ? "no position" : formatLsn(position)}, ${formatLsn(lsn)} is needed`,
          );
        }
        await this.#options.sleep(POLL_MILLIS, signal);
      }
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  async #snapshotPosition(client: pg.Client): Promise<Lsn | null> {
    await beginSnapshot(client);
    const { rows } = await client.query<{ position: string | null }>(this.#options.positionSql);
    const position = rows[0]?.position;
    return position == null ? null : parseLsn(position);
  }
}
