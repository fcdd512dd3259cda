/**
 * Fulfils the wishes to load held tables anew, beside the stream: the table's definition is read again, whoever may still be invisible to a
 * snapshot is waited for, and the table is emptied. Nothing of a held table is applied, so all of that disturbs no other. Only then the
 * engine's life ends, and the next one loads the table as any other.
 */
import { passRead } from "../../engine/pass-log.ts";
import type { EnginePorts } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { isRetried } from "../../errors/policy.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import { LOCK_NOT_AVAILABLE } from "../../postgres/lock-refused.ts";
import { sqlState } from "../../postgres/wrap-error.ts";

/** Ends a life of the engine, so that the next one loads what was emptied. */
export class TablesEmptied extends Error {
  override readonly name = "TablesEmptied";
  /** Some have other columns now: whatever else knows the tables has to begin anew, too. */
  readonly redefined: boolean;

  constructor(redefined: boolean) {
    super("tables were emptied for a reload");
    this.redefined = redefined;
  }
}

/** A table as the source has it. */
export interface Definition {
  readonly table: Table;
  /** It is not as this process knows it. */
  readonly redefined: boolean;
  /** What was written to the source before it was read lies below. */
  readonly at: Lsn;
}

/** The wishes, and what is known of the tables. */
export interface Reloads {
  /** Ids of the tables that are to be loaded anew now. */
  asked(): readonly string[];
  /** Reads the table's definition at the source. Throws where the table cannot be loaded so: the target has not followed, or it is another. */
  define(id: string): Promise<Definition>;
  /** Puts the table's definition on record. */
  redefine(table: Table): void;
  /** The wish is over; the table stays held, and the operator hears why. */
  refused(id: string, why: PghaulError): void;
  /** Every commit below is visible to all snapshots to come. */
  visible(floor: Lsn): void;
}

interface ReloadPorts extends Pick<EnginePorts, "source" | "log" | "clock" | "observer"> {
  /** Empties the table at the target and in the memory here; what was written to it in an older shape lies below `at`. */
  readonly reload: (table: Table, at: Lsn) => Promise<void>;
}

const POLL_MILLIS = 250;
/** Between two attempts to lock a table that somebody uses. */
const IN_USE_POLL_MILLIS = 2_000;
/** A wish that cannot be fulfilled for so long is given back: who uses the table is for a person to look at. */
const PATIENCE_MILLIS = 30_000;

/** Until `signal` aborts. Throws TablesEmptied. */
export async function watchReloads(ports: ReloadPorts, reloads: Reloads, signal: AbortSignal): Promise<void> {
  const attempt = new ReloadAttempts(ports, reloads, signal);
  while (!signal.aborted) {
    const inUse = await attempt.all(reloads.asked());
    await ports.clock.sleep(inUse ? IN_USE_POLL_MILLIS : POLL_MILLIS, signal).catch(() => undefined);
  }
}

class ReloadAttempts {
  readonly #ports: ReloadPorts;
  readonly #reloads: Reloads;
  readonly #signal: AbortSignal;
  /** As defined when the barrier began that has passed since, as text. */
  readonly #passed = new Map<string, string>();
  /** Since when a table is found in use. */
  readonly #inUseSince = new Map<string, number>();

  constructor(ports: ReloadPorts, reloads: Reloads, signal: AbortSignal) {
    this.#ports = ports;
    this.#reloads = reloads;
    this.#signal = signal;
  }

  /** One attempt for each. True: some are in use, and are tried again. Throws TablesEmptied when any was emptied. */
  async all(asked: readonly string[]): Promise<boolean> {
    const emptied: Definition[] = [];
    for (const id of asked) {
      try {
        const definition = await this.#one(id);
        if (definition !== null) emptied.push(definition);
      } catch (error) {
        if (this.#signal.aborted) return false;
        this.#refuse(id, error);
      }
    }
    for (const id of this.#inUseSince.keys()) if (!asked.includes(id)) this.#inUseSince.delete(id);
    if (emptied.length > 0) throw new TablesEmptied(emptied.some(({ redefined }) => redefined));
    return this.#inUseSince.size > 0;
  }

  /** Null where the wish was withdrawn meanwhile. */
  async #one(id: string): Promise<Definition | null> {
    const since = this.#ports.log.streams();
    const definition = await this.#reloads.define(id);
    await this.#barrier(id, definition, since);
    if (!this.#reloads.asked().includes(id)) return null;
    // First: should we die in between, what is empty at the target is loaded with the columns that were compared with it.
    if (definition.redefined) this.#reloads.redefine(definition.table);
    await this.#ports.reload(definition.table, definition.at);
    return definition;
  }

  /**
   * Nobody has kept the log for this table. What was released of it may still be invisible to a snapshot, and what is held of it may have the
   * table in an older shape: ALTER TABLE waited for those writers, so they have ended once this barrier, taken later, has passed.
   */
  async #barrier(id: string, { table, at }: Definition, since: number): Promise<void> {
    const shape = JSON.stringify([table.columns, table.key]);
    if (this.#passed.get(id) === shape) return;
    const { source, log, observer } = this.#ports;
    const floor = log.start();
    await source.barrier((who) => observer.waiting(`the reload of ${id} waits for older transactions to end: ${who}`), this.#signal);
    await passRead(this.#ports, { lsn: at, since }, this.#signal);
    this.#reloads.visible(floor);
    this.#passed.set(id, shape);
  }

  /** What concerns this table alone leaves it held; anything else is thrown on. */
  #refuse(id: string, error: unknown): void {
    if (!(error instanceof PghaulError) || isRetried(error) || error.code === "BUG") throw error;
    if (sqlState(error) === LOCK_NOT_AVAILABLE) {
      const now = this.#ports.clock.now();
      const since = this.#inUseSince.get(id) ?? now;
      this.#inUseSince.set(id, since);
      if (now - since < PATIENCE_MILLIS) {
        this.#ports.observer.waiting(`reload: ${error.message}`);
        return;
      }
    }
    this.#inUseSince.delete(id);
    this.#reloads.refused(id, error);
  }
}
