import type { Hold } from "../model/hold.ts";
import { formatLsn } from "../model/lsn.ts";
import { displayText } from "../model/value.ts";
import type { StateDatabase } from "./state-database.ts";

/** A table that is held, as it is shown. */
export interface HeldTable {
  readonly stream: "forward" | "reverse";
  /** The database that refused it. */
  readonly destination: string;
  readonly table: string;
  /** `failed`: it stands still for another reason than a row that was refused. */
  readonly state: "held" | "failed";
  /** Since when, ISO 8601. */
  readonly at: string;
  readonly reason: string;
  readonly sqlstate: string | null;
  readonly lsn: string | null;
  /** Null where it is not known which row was refused. */
  readonly key: readonly string[] | null;
  /** It was asked to be loaded anew, ISO 8601. */
  readonly reloadAsked: string | null;
  /** Why that was not done when it was last asked; the table was left as it is. */
  readonly reloadRefused: string | null;
}

interface HoldRow {
  readonly stream: HeldTable["stream"];
  readonly destination: string;
  readonly table_id: string;
  readonly state: HeldTable["state"];
  readonly at: string;
  readonly reason: string;
  readonly sqlstate: string | null;
  readonly lsn: string | null;
  readonly key: string | null;
  readonly reload_asked: string | null;
  readonly reload_refused: string | null;
}

/** Where tables are held: the stream, and one of its destinations. */
export type HeldAt = Pick<HeldTable, "stream" | "destination">;

/** Of a table that is not held: somebody wants it reloaded, and then it will be. */
export const WISHED = "it is to be reloaded";

/** Tables that are held. The target's word counts; this is its copy, and the wish to load one anew. */
export class HoldStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** Those of both streams, by name. */
  all(): readonly HeldTable[] {
    return this.#database.read(() =>
      this.#database.sqlite.prepare<[], HoldRow>("select * from hold order by table_id, stream, destination").all().map(toHeld),
    );
  }

  held({ stream, destination }: HeldAt, table: string, { reason, sqlstate, lsn, key }: Hold): void {
    this.#database.write(() => {
      this.#database.sqlite
        .prepare(
          `insert into hold (stream, destination, table_id, at, reason, sqlstate, lsn, key) values (?, ?, ?, ?, ?, ?, ?, ?)
          on conflict (stream, destination, table_id) do update set
            reason = excluded.reason, sqlstate = excluded.sqlstate, lsn = excluded.lsn, key = excluded.key`,
        )
        .run(
          stream,
          destination,
          table,
          new Date().toISOString(),
          reason,
          sqlstate,
          lsn === null ? null : formatLsn(lsn),
          key === null ? null : JSON.stringify(key.map((value) => displayText(value ?? ""))),
        );
    });
  }

  /** The destination's word at the start of a life: `known` are held there, and no others. */
  agree(at: HeldAt, known: ReadonlyMap<string, Hold>): void {
    this.#database.write(() => {
      for (const { table, reason, reloadAsked } of this.at(at)) {
        const isWish = reason === WISHED && reloadAsked !== null;
        if (known.has(table) || isWish) continue;
        this.#database.sqlite
          .prepare("delete from hold where stream = ? and destination = ? and table_id = ?")
          .run(at.stream, at.destination, table);
      }
      for (const [table, hold] of known) this.held(at, table, hold);
    });
  }

  /** Those of one destination of a stream, by name. */
  at({ stream, destination }: HeldAt): readonly HeldTable[] {
    return this.all().filter((one) => one.stream === stream && one.destination === destination);
  }

  /** The wish to have a table reloaded that is not held. */
  wishReload(at: HeldAt, table: string): void {
    this.held(at, table, { reason: WISHED, sqlstate: null, lsn: null, key: null });
    this.askReload(table);
  }

  /** False when the table is not held. */
  askReload(table: string): boolean {
    return this.#database.write(() => {
      const { changes } = this.#database.sqlite
        .prepare(
          "update hold set reload_asked = coalesce(reload_asked, ?), reload_refused = null where stream = 'forward' and table_id = ?",
        )
        .run(new Date().toISOString(), table);
      return changes > 0;
    });
  }

  /** The wish is over and the table stays held, if it was: withdrawn, or refused for a reason. */
  endReload(table: string, refused: string | null): void {
    this.#database.write(() => {
      this.#database.sqlite
        .prepare("delete from hold where stream = 'forward' and table_id = ? and reason = ? and lsn is null")
        .run(table, WISHED);
      this.#database.sqlite
        .prepare("update hold set reload_asked = null, reload_refused = ? where stream = 'forward' and table_id = ?")
        .run(refused, table);
    });
  }

  /** Ids of the tables that are to be loaded anew. */
  reloadsAsked(): readonly string[] {
    return this.all().flatMap(({ table, reloadAsked }) => (reloadAsked === null ? [] : [table]));
  }
}

function toHeld(row: HoldRow): HeldTable {
  return {
    stream: row.stream,
    destination: row.destination,
    table: row.table_id,
    state: row.state,
    at: row.at,
    reason: row.reason,
    sqlstate: row.sqlstate,
    lsn: row.lsn,
    key: row.key === null ? null : (JSON.parse(row.key) as string[]),
    reloadAsked: row.reload_asked,
    reloadRefused: row.reload_refused,
  };
}
