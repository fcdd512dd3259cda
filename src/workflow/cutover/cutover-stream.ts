/** The streaming process as a cutover sees it: through the databases, the state directory and the change log. */

import type pg from "pg";
import type { CutoverSide, ForeignWrites, StreamControl } from "../../cutover/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type Lsn, maxLsn } from "../../model/lsn.ts";
import { otherSide, type SideName, streamOutOf } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { selectHeld } from "../../side/postgres/bookkeeping/progress-queries.ts";
import { insertLsn, systemIdentifier } from "../../side/postgres/wal.ts";
import { readSlot } from "../../source/slot.ts";
import { leaseHolder } from "../../state/lease.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { TailStore } from "../../state/tail-store.ts";
import { slotName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { openWatchedLog, type WatchedLog } from "../stream/watched-log.ts";
import { systemClock } from "../system-clock.ts";
import { prepareWayBack } from "./way-back.ts";

export interface CutoverStreamOptions {
  readonly migration: Migration;
  readonly sides: Readonly<Record<SideName, CutoverSide>>;
  /** Sessions of their own, so that asking about the stream does not queue behind a fence. */
  readonly watch: (side: SideName) => Promise<pg.Client>;
  readonly bus: ProgressBus;
}

/** A stream that has just been made needs sessions, a log, its first positions. */
const START_LIMIT_MILLIS = 60_000;
/** The log follows within milliseconds; this long says that nobody writes it. */
const LOG_LIMIT_MILLIS = 15_000;
const POLL_MILLIS = 50;

export class CutoverStream implements StreamControl {
  readonly #options: CutoverStreamOptions;

  constructor(options: CutoverStreamOptions) {
    this.#options = options;
  }

  async prepare(side: SideName): Promise<void> {
    const { migration, sides, bus } = this.#options;
    await this.#refuseIdle();
    if (side === "target") await prepareWayBack(migration, bus);
    const marker = `stream-${side}-${process.pid}-${Date.now()}`;
    const until = systemClock.now() + START_LIMIT_MILLIS;
    let fault = await this.notRunning(side);
    while (fault !== null) {
      await this.#refuseIdle();
      await this.#pause(until, fault);
      fault = await this.notRunning(side);
    }
    // A slot that is read is not yet a row that arrives: a missing privilege at the other side shows here, and not in the pause.
    await sides[side].writeMarker(marker);
    const other = side === "source" ? sides.target : sides.source;
    while (!(await other.sawMarker(marker))) await this.#pause(until, `writes at the ${side} do not arrive at the other side`);
  }

  async notRunning(side: SideName): Promise<string | null> {
    const { migration, watch } = this.#options;
    if ((await leaseHolder(migration.config.state.dir, "stream")) === null) return "no process is streaming";
    const stream = streamOutOf(side);
    if (stream === "reverse" && !new MilestoneStore(migration.state).has("way-back-ready")) return "the way back has not been made";
    if (new TailStore(migration.state).get(stream) === null) return `the ${stream} stream has not started`;
    const name = slotName(migration.name, stream);
    const slot = await readSlot(await watch(side), name);
    if (slot === null) return `the replication slot ${name} does not exist at the ${side}`;
    return slot.activePid === null ? `nobody is reading the replication slot ${name} at the ${side}` : null;
  }

  /**
   * Reads the log up to what `side` had written when this was called; the marker that says so is ours. Throws STREAM_NOT_RUNNING when the
   * log does not get there. What the log holds no more is left out: the answer then is about its last minutes.
   */
  async foreignWrites(side: SideName, from: Lsn): Promise<ForeignWrites> {
    const { migration, sides, watch } = this.#options;
    const goal = await insertLsn(await watch(side));
    await sides[side].writeMarker(`proof-${side}-${process.pid}-${Date.now()}`);
    const log = await this.#openLog(side);
    const limit = AbortSignal.timeout(LOG_LIMIT_MILLIS);
    try {
      await log.waitPassed(goal, limit);
    } catch (error) {
      if (!limit.aborted) throw error;
      throw new PghaulError("STREAM_NOT_RUNNING", `the log has not reached the position that the ${side} had`, {
        suggestion: "pghaul run",
      });
    }
    // Markers are ours and in no table of the application.
    const moved = new Set(new TableStore(migration.state).all().map(({ table }) => table.id));
    const seen = new Set<Lsn>();
    const readTo = log.passed();
    for await (const { header } of log.read({ from: maxLsn(from, log.start()), to: readTo }, moved, new AbortController().signal))
      seen.add(header.commitLsn);
    return { count: seen.size, readTo };
  }

  async heldAt(side: SideName): Promise<readonly string[]> {
    const { migration, watch } = this.#options;
    return selectHeld(await watch(side), { migration: migration.name, stream: streamOutOf(otherSide(side)) });
  }

  async #openLog(side: SideName): Promise<WatchedLog> {
    const { migration, watch } = this.#options;
    const tables = new TableStore(migration.state).all().map(({ table }) => table);
    const cluster = await systemIdentifier(await watch(side));
    return openWatchedLog({ migration, stream: streamOutOf(side), tables, cluster, clock: systemClock });
  }

  async #refuseIdle(): Promise<void> {
    if ((await leaseHolder(this.#options.migration.config.state.dir, "stream")) !== null) return;
    throw new PghaulError("STREAM_NOT_RUNNING", "no process is streaming", { suggestion: "pghaul run" });
  }

  async #pause(until: number, fault: string): Promise<void> {
    if (systemClock.now() > until) throw new PghaulError("STREAM_NOT_RUNNING", fault, { suggestion: "pghaul status" });
    await systemClock.sleep(POLL_MILLIS, new AbortController().signal);
  }
}
