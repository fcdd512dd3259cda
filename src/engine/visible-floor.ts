/**
 * The visible floor: an LSN below which every commit is contained in every snapshot taken from now on.
 *
 * A commit record is in WAL, and in our log, before the transaction becomes visible: for the time of an fsync, or for hours if it waits
 * for a synchronous standby. So a chunk's roll-forward must start at the first commit that may still be invisible, not at the chunk.
 */
import { type Lsn, maxLsn } from "../model/lsn.ts";
import type { ChangeLog, Clock, SourceReader } from "./ports.ts";

/** How old a floor may be before a new chunk asks the source again; each time costs the source one tiny transaction. */
const REFRESH_MILLIS = 1_000;

interface FloorPorts {
  readonly source: Pick<SourceReader, "heartbeat">;
  /** A process that does not feed the log cannot count its streams, and proves nothing that outlives it. */
  readonly log: Pick<ChangeLog, "start" | "passed" | "headers"> & Partial<Pick<ChangeLog, "streams">>;
  readonly clock: Pick<Clock, "now">;
}

export class VisibleFloor {
  readonly #ports: FloorPorts;
  #floor: Lsn;
  #proved: Lsn;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;

  constructor(ports: FloorPorts) {
    this.#ports = ports;
    // Commits that the log no longer holds, or never held, were visible when its first position was taken: the barrier waited for that.
    this.#floor = ports.log.start();
    this.#proved = this.#floor;
  }

  /**
   * The floor as far as it can be recorded. If its snapshot and its log belong to two streams, it is good enough only for reads that fail by
   * themselves (`passRead`): a source that crashed in between has given the xids of its lost transactions to others.
   */
  get proved(): Lsn {
    return this.#proved;
  }

  /** The floor as last computed; true forever, if low. */
  get known(): Lsn {
    return this.#floor;
  }

  /** The floor; at most a second old. To be read before a chunk's snapshot is taken. */
  async current(signal: AbortSignal): Promise<Lsn> {
    if (this.#ports.clock.now() - this.#refreshedAt > REFRESH_MILLIS) {
      this.#running ??= this.#refresh(signal).finally(() => {
        this.#running = null;
      });
      await this.#running;
    }
    return this.#floor;
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#ports;
    let since = log.streams?.();
    let floor = await this.#look(signal);
    // A source that crashed between the snapshot and the log has given the xids of its lost transactions to others: the snapshot would
    // count those as contained, and no read would notice, because it begins after the crash.
    while (since !== log.streams?.()) {
      since = log.streams?.();
      floor = await this.#look(signal);
    }
    this.#floor = floor;
    if (since !== undefined) this.#proved = floor;
    this.#refreshedAt = clock.now();
  }

  async #look(signal: AbortSignal): Promise<Lsn> {
    const { source, log } = this.#ports;
    const view = await source.heartbeat();
    const to = log.passed();
    for await (const header of log.headers({ from: this.#floor, to }, signal)) if (!view.contains(header)) return header.commitLsn;
    return maxLsn(to, this.#floor);
  }
}
