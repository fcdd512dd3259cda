/** The governor of the load, wired: what it asks the source over one small session, and whom it tells. */
import type pg from "pg";
import { type BusinessHours, hoursText, isWithin } from "../../config/keys/business-hours.ts";
import type { ReadGate } from "../../engine/ports.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { ProgressStore, UNTHROTTLED } from "../../state/progress-store.ts";
import { Governor } from "../../throttle/governor.ts";
import { type Pressure, readPressure } from "../../throttle/pressure.ts";
import type { Limits } from "../../throttle/reasons.ts";
import type { Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";

/** Longer than any of its statements takes; on a network that swallows packets the load is to go on, and fail by itself. */
const ANSWER_MILLIS = 10_000;

/** Makes the gates of one run, a new one for each life of the engine. */
export function governLoad(migration: Migration, slot: string, bus: ProgressBus): () => ReadGate & { close(): Promise<void> } {
  const { maxReplicaLagSeconds, maxSlotBytes, businessHours } = migration.config.throttle;
  const limits: Limits = { maxReplicaLagSeconds, maxSlotBytes, businessHours: (at) => hoursAt(businessHours, at) };
  const teller = new Teller(new ProgressStore(migration.state), bus);
  return () => {
    const session = new PressureSession(migration, slot, (pressure) => teller.seen(pressure));
    const governor = new Governor({
      limits,
      measure: (signal) => session.measure(signal),
      clock: systemClock,
      today: () => new Date(),
      told: (why) => teller.told(why),
    });
    return {
      mayRead: (signal) => governor.mayRead(signal),
      close: async () => {
        teller.ended();
        await session.close();
      },
    };
  };
}

function hoursAt(hours: BusinessHours | undefined, at: Date): string | null {
  return hours !== undefined && isWithin(hours, at) ? hoursText(hours) : null;
}

class Teller {
  readonly #progress: ProgressStore;
  readonly #bus: ProgressBus;
  /** The first words of the hold: they are said again and again, for every merge clears them from the view, and figures would fill the log. */
  #hold: string | null = null;
  #warned = false;

  constructor(progress: ProgressStore, bus: ProgressBus) {
    this.#progress = progress;
    this.#bus = bus;
  }

  seen({ hidden }: Pressure): void {
    if (!hidden || this.#warned) return;
    this.#warned = true;
    const message =
      "pghaul cannot see the lag of the source's standbys, so it does not hold reads back for them: grant pg_monitor to its role";
    this.#bus.emit({ kind: "warning", code: "REPLICA_LAG_HIDDEN", message });
  }

  told(why: string | null): void {
    if (why === null) {
      this.#bus.emit({ kind: "notice", message: "reads resume" });
      this.ended();
      return;
    }
    const waiting = `reads are held back: ${why}`;
    this.#hold ??= waiting;
    this.#bus.emit({ kind: "waiting", why: this.#hold });
    this.#progress.update({ waiting, throttle: { held: true, why } });
  }

  /** Nothing is held any more, also where the load has ended while it was. */
  ended(): void {
    if (this.#hold === null) return;
    this.#hold = null;
    this.#progress.update({ waiting: null, throttle: UNTHROTTLED });
  }
}

class PressureSession {
  readonly #migration: Migration;
  readonly #slot: string;
  readonly #seen: (pressure: Pressure) => void;
  #client: pg.Client | null = null;

  constructor(migration: Migration, slot: string, seen: (pressure: Pressure) => void) {
    this.#migration = migration;
    this.#slot = slot;
    this.#seen = seen;
  }

  /** Null when the source does not answer in time, or the signal aborts. */
  async measure(signal: AbortSignal): Promise<Pressure | null> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MILLIS)]);
    try {
      this.#client ??= await this.#migration.connect("source", "throttle", { signal: limit });
      const pressure = await settledBefore(limit, readPressure(this.#client, this.#slot));
      this.#seen(pressure);
      return pressure;
    } catch {
      // The session is of no use any more, and its farewell may never be answered.
      void this.close();
      return null;
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }
}

/** The work's outcome; or the signal's reason, when it aborts before. What is left of the work is not waited for. */
async function settledBefore<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
