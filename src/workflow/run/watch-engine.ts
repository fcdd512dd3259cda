/**
 * Turns what the engine says of itself into facts in the state and events for whoever watches: tables reaching a phase, bytes and rows
 * merged, chunks in flight, changes a second.
 */
import type { EngineObserver } from "../../engine/ports.ts";
import type { Hold } from "../../model/hold.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { type HeldAt, HoldStore } from "../../state/hold-store.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { type TablePhase, TableStore } from "../../state/table-store.ts";
import { heldSentence, reloadAdvice } from "../held-tables.ts";

/** What the stream did last, for the lag. */
export interface AppliedMark {
  readonly position: Lsn;
  /** Commit time at the origin, microseconds since the Unix epoch. */
  readonly commitMicros: bigint;
}

export interface EngineCounts {
  readonly changes: number;
  readonly transactions: number;
  readonly rows: number;
  readonly bytes: number;
}

interface WatchParts {
  readonly stream: StreamName;
  readonly destination: string;
  readonly state: StateDatabase;
  readonly bus: ProgressBus;
}

/** The engine of one destination. */
export class EngineWatch implements EngineObserver {
  readonly #at: HeldAt;
  readonly #tables: TableStore;
  readonly #holds: HoldStore;
  readonly #bus: ProgressBus;
  readonly #running = new Set<string>();
  #phases: Map<string, TablePhase> = new Map();
  #changes = 0;
  #transactions = 0;
  #rows = 0;
  #bytes = 0;
  #expected = 0;
  #done = 0;
  #total = 0;
  #applied: AppliedMark | null = null;

  constructor({ stream, destination, state, bus }: WatchParts) {
    this.#at = { stream, destination };
    this.#tables = new TableStore(state);
    this.#holds = new HoldStore(state);
    this.#bus = bus;
    this.#recount();
  }

  /** The last batch that the stream made durable; null before the first of this process. */
  get lastApplied(): AppliedMark | null {
    return this.#applied;
  }

  /** Changes and transactions of this process; rows and bytes of the whole load. */
  get counts(): EngineCounts {
    return { changes: this.#changes, transactions: this.#transactions, rows: this.#rows, bytes: this.#bytes };
  }

  chunkStarted(table: string, chunk: number): void {
    const phase = this.#phases.get(table);
    if (phase === undefined) return;
    if (phase === "pending") this.#reached(table, "loading");
    this.#running.add(`${table}#${chunk}`);
    this.#tellLoad();
  }

  chunkMerged(table: string, chunk: number, rows: number, bytes: number): void {
    if (!this.#phases.has(table)) return;
    this.#running.delete(`${table}#${chunk}`);
    this.#rows += rows;
    this.#bytes += bytes;
    this.#tellLoad();
  }

  tableLoaded(table: string): void {
    this.#reached(table, "loaded");
    this.#recount();
    this.#tellLoad();
  }

  tableJoined(table: string): void {
    this.#reached(table, "joined");
  }

  tableHeld(table: string, hold: Hold): void {
    this.#holds.held(this.#at, table, hold);
    for (const running of this.#running) if (running.startsWith(`${table}#`)) this.#running.delete(running);
    const held = this.#holds.at(this.#at).find((one) => one.table === table);
    if (held === undefined) return;
    this.#bus.emit({ kind: "warning", code: "TABLE_HELD", message: `${heldSentence(held)}; ${reloadAdvice(held)}` });
  }

  /** What the target says at the start of a life; what is held since an earlier one is told again. */
  holdsKnown(known: ReadonlyMap<string, Hold>): void {
    this.#holds.agree(this.#at, known);
    // A table that is loaded anew is pending again.
    this.#recount();
    for (const [table, hold] of known) this.tableHeld(table, hold);
  }

  applied(changes: number, transactions: number, position: Lsn, commitMicros: bigint): void {
    this.#changes += changes;
    this.#transactions += transactions;
    this.#applied = { position, commitMicros };
  }

  waiting(why: string): void {
    this.#bus.emit({ kind: "waiting", why });
  }

  /** The marker table is ours: it streams as the others do and stands in no list. */
  #reached(table: string, phase: "loading" | "loaded" | "joined"): void {
    const before = this.#phases.get(table);
    if (before === undefined || before === "live" || before === phase) return;
    this.#tables.reached(table, phase, this.#at.destination);
    this.#phases.set(table, phase);
  }

  /** Estimates are the catalog's: COPY text may be more than the heap, so what is done is never more than what is expected. */
  #recount(): void {
    const records = this.#tables.all();
    this.#phases = new Map(this.#tables.phasesAt(this.#at.destination));
    const finished = (phase: string) => phase !== "pending" && phase !== "loading";
    this.#rows = records.reduce((sum, { rows }) => sum + rows, 0);
    this.#bytes = records.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#expected = records.reduce(
      (sum, { phase, bytes, expectedBytes }) => sum + (finished(phase) ? bytes : Math.max(bytes, expectedBytes)),
      0,
    );
    this.#done = records.filter(({ phase }) => finished(phase)).length;
    this.#total = records.length;
  }

  #tellLoad(): void {
    this.#bus.emit({
      kind: "load",
      tablesDone: this.#done,
      tablesTotal: this.#total,
      rows: this.#rows,
      bytes: this.#bytes,
      bytesExpected: this.#expected,
      chunksRunning: [...this.#running],
    });
  }
}
