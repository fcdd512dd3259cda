import type { ChangeLog, Clock, LogRange } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { ReadOnlyLog } from "../../log/read-only-log.ts";
import type { Lsn } from "../../model/lsn.ts";
import { type StreamName, upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { TailStore } from "../../state/tail-store.ts";
import { originPrefix } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { logDirectory } from "./run-stream.ts";
import { tablesAt } from "./tables-at.ts";

const POLL_MILLIS = 20;

export interface LogParts {
  readonly migration: Migration;
  readonly stream: StreamName;
  /** As on record, or as they are at that side. */
  readonly tables: readonly Table[];
  /** `pg_control_system().system_identifier` of the side that the stream reads. */
  readonly cluster: string;
  readonly clock: Clock;
}

/** The log of a stream that another process of the migration, or another part of this one, writes. Throws STREAM_NOT_RUNNING before it has begun. */
export async function openWatchedLog({ migration, stream, tables, cluster, clock }: LogParts): Promise<WatchedLog> {
  const tails = new TailStore(migration.state);
  const tail = tails.get(stream);
  if (tail === null) throw new PghaulError("STREAM_NOT_RUNNING", `the ${stream} stream has not started`, { suggestion: "pghaul run" });
  const there =
    stream === "forward"
      ? tables
      : await migration.session(upstreamOf(stream), "log", (client) => tablesAt(client, migration, stream, tables));
  const log = await ReadOnlyLog.open(
    {
      dir: logDirectory(migration.config.state.dir, stream),
      identity: { systemIdentifier: cluster, slot: tail.slot, stream },
      tables: new Map(there.map((table) => [table.id, table])),
      skipOriginPrefix: originPrefix(migration.name),
    },
    tail.durableLsn,
  );
  return new WatchedLog(log, tails, stream, clock);
}

/** The log of a process that streams, seen from another: what is durable is asked of the state, and waited for by asking again. */
export class WatchedLog implements Pick<ChangeLog, "start" | "passed" | "waitPassed" | "read" | "headers"> {
  readonly #log: ReadOnlyLog;
  readonly #tails: TailStore;
  readonly #stream: StreamName;
  readonly #clock: Clock;

  constructor(log: ReadOnlyLog, tails: TailStore, stream: StreamName, clock: Clock) {
    this.#log = log;
    this.#tails = tails;
    this.#stream = stream;
    this.#clock = clock;
  }

  start(): Lsn {
    return this.#log.start();
  }

  passed(): Lsn {
    return this.#log.passed();
  }

  async waitPassed(lsn: Lsn, signal: AbortSignal): Promise<void> {
    while (this.#log.passed() < lsn) {
      const durable = this.#tails.get(this.#stream)?.durableLsn ?? 0n;
      if (durable > this.#log.passed()) await this.#log.refresh(durable);
      if (this.#log.passed() >= lsn) return;
      await this.#clock.sleep(POLL_MILLIS, signal);
    }
  }

  read(range: LogRange, tables: ReadonlySet<string>, signal: AbortSignal): ReturnType<ChangeLog["read"]> {
    return this.#log.read(range, tables, signal);
  }

  headers(range: LogRange, signal: AbortSignal): ReturnType<ChangeLog["headers"]> {
    return this.#log.headers(range, signal);
  }
}
