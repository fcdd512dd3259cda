import type pg from "pg";
import type { TargetProgress, TargetTransaction } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { downstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { commitsSql, countCommitSql, type LaneRow, type StreamId } from "../../side/postgres/bookkeeping/progress-queries.ts";
import { createProgressSchema } from "../../side/postgres/bookkeeping/progress-schema.ts";
import type { OpenTarget } from "../target.ts";
import { PostgresTransaction } from "./postgres-transaction.ts";
import { CommitCounts } from "./progress/commit-counts.ts";
import { outliveEarlier, sayUnderWay } from "./progress/earlier-life.ts";
import { readProgress } from "./progress/read-progress.ts";
import type { TargetTable } from "./rows/target-table.ts";
import { SessionPool } from "./session-pool.ts";
import { TargetSession } from "./target-session.ts";

export interface PostgresTargetOptions {
  /** Opens a canonical session (`postgres/connect.ts`); `purpose` is for pg_stat_activity. */
  readonly connect: (purpose: string) => Promise<pg.Client>;
  readonly migration: string;
  /** `reverse`: from the new database back to the old one, which is then the target. */
  readonly stream: StreamId["stream"];
  /** Connections of the load; each holds a replication origin, of which the server has max_replication_slots. */
  readonly loadLanes: number;
  /** `pghaul_<migration>/`: what the reverse stream knows our commits by. The database's number and the lane are appended. */
  readonly originPrefix: string;
  /** Value of the setting `pghaul.applier` in our sessions, for which the fence lets them pass. */
  readonly applierToken?: string;
  /** Ends waiting for a connection; a transaction under way ends with its `work`. */
  readonly signal: AbortSignal;
}

/**
 * Opens a PostgreSQL database as a target: creates the schema `pghaul` where it is missing and proves that the stream's session can
 * be opened, so that a missing privilege shows before any work.
 *
 * Errors, under the name of the side that the stream writes: *_UNREACHABLE, *_AUTH, *_PRIVILEGE (with the GRANT), STATE_NEWER.
 */
export async function openPostgresTarget(options: PostgresTargetOptions): Promise<OpenTarget> {
  const control = await options.connect("progress");
  try {
    await createProgressSchema(control, downstreamOf(options.stream));
  } finally {
    await control.end().catch(() => undefined);
  }
  const target = new PostgresTarget(options);
  try {
    await target.makeDurable();
  } catch (error) {
    await target.close();
    throw error;
  }
  return target;
}

class PostgresTarget implements OpenTarget {
  readonly #options: PostgresTargetOptions;
  readonly #id: StreamId;
  readonly #stream: SessionPool<TargetSession>;
  readonly #load: SessionPool<TargetSession>;
  readonly #counts: CommitCounts;

  constructor(options: PostgresTargetOptions) {
    this.#options = options;
    this.#id = { migration: options.migration, stream: options.stream };
    this.#counts = new CommitCounts(downstreamOf(options.stream));
    const tables = new WeakMap<Table, TargetTable>();
    this.#stream = new SessionPool(1, () => this.#open("stream", false, tables), options.signal);
    this.#load = new SessionPool(options.loadLanes, (lane) => this.#open(`load_${lane}`, true, tables), options.signal);
  }

  progress(): Promise<TargetProgress> {
    return this.#stream.use((session) =>
      session.guarded({ step: "progress" }, async () => {
        await outliveEarlier(session.client, this.#id, this.#options.signal);
        const { progress, lanes } = await readProgress(session.client, this.#id);
        this.#counts.learn(lanes);
        return progress;
      }),
    );
  }

  /**
   * Errors of the work pass through. *_LOST may come from the COMMIT itself, which then may or may not have happened: only
   * `progress()` knows, and has to be read again before going on.
   */
  transaction<T>(lane: "stream" | "load", work: (transaction: TargetTransaction) => Promise<T>): Promise<T> {
    const pool = lane === "stream" ? this.#stream : this.#load;
    return pool.use(async (session) => {
      let committed = false;
      try {
        // Whatever constraint triggers run even for a replication process see the transaction's end, as at the source.
        const expected = this.#counts.expected();
        const leaves = session.looksAtLeaves ? [FOREIGN_LEAVES] : [];
        const begin = ["begin", "set constraints all deferred", sayUnderWay(this.#id), ...leaves, commitsSql(this.#id)];
        const began = await session.script(begin);
        this.#counts.insistOn(expected, session.lane, lanesIn(began));
        session.transactionBegan(leavesIn(began[begin.indexOf(FOREIGN_LEAVES)]));
        await session.guarded({}, () => session.stages.dropIdle());
        const transaction = new PostgresTransaction(session, this.#id);
        const result = await work(transaction);
        this.#counts.committed(session.lane, await commit(session, this.#id));
        committed = true;
        return result;
      } catch (error) {
        await rollback(session);
        throw await session.withHolders(error);
      } finally {
        session.stages.transactionEnded(committed);
      }
    });
  }

  /** A synchronous commit waits until the log is on disk up to itself, and so up to every commit before it. */
  makeDurable(): Promise<void> {
    return this.#stream.use(async (session) => {
      const expected = this.#counts.expected();
      const results = await session.script([
        "begin",
        "set local synchronous_commit = on",
        // A transaction that wrote no WAL of its own waits for nothing, synchronous or not.
        "update pghaul.meta set version = version",
        "commit",
        commitsSql(this.#id),
      ]);
      this.#counts.insistOn(expected, session.lane, lanesIn(results));
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#stream.close(), this.#load.close()]);
  }

  #open(lane: string, synchronousCommit: boolean, tables: WeakMap<Table, TargetTable>): Promise<TargetSession> {
    const { connect, originPrefix, applierToken, signal } = this.#options;
    const purpose = `${this.#id.stream} ${lane}`;
    return TargetSession.open({
      side: downstreamOf(this.#id.stream),
      connect,
      lane,
      purpose,
      originPrefix,
      applierToken: applierToken ?? null,
      synchronousCommit,
      tables,
      signal,
    });
  }
}

/** Every partition of the database that is a foreign table, and since when. */
const FOREIGN_LEAVES = `select coalesce(string_agg(i.inhrelid || '@' || i.xmin || '@' || i.inhparent, ' ' order by i.inhrelid), '') as leaves
  from pg_catalog.pg_foreign_table f join pg_catalog.pg_inherits i on i.inhrelid = f.ftrelid`;

function leavesIn(result: pg.QueryResult | undefined): string | null {
  return (result?.rows[0] as { leaves: string } | undefined)?.leaves ?? null;
}

/** Returns how many transactions the lane has committed by now. */
async function commit(session: TargetSession, id: StreamId): Promise<bigint> {
  try {
    const counted = await session.script([countCommitSql(id, session.lane), "commit"]);
    return BigInt((counted[0] as pg.QueryResult<LaneRow>).rows[0]?.commits ?? 0);
  } catch (error) {
    // in_failed_sql_transaction: after an error that `work` swallowed.
    if (sqlState(error) !== "25P02") throw error;
    throw new PghaulError("BUG", "a transaction with a failed statement was about to be committed");
  }
}

function lanesIn(results: readonly pg.QueryResult[]): readonly LaneRow[] {
  return (results.at(-1)?.rows ?? []) as LaneRow[];
}

async function rollback(session: TargetSession): Promise<void> {
  if (session.lost) return;
  try {
    await session.script(["rollback"]);
  } catch {
    // The work's own error is the one that tells. Without a clean session the next transaction opens another.
    await session.end();
  }
}
