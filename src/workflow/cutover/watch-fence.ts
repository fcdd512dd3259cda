/**
 * The proof of the fence goes on for the whole rollback window (docs/adr/0004): the stream out of the fenced side is idle, so whatever it
 * brings that is not ours passed the fence, whoever wrote it and however.
 */
import { primaryOf } from "../../cutover/machine.ts";
import { breachText, type FenceBreach } from "../../model/fence-breach.ts";
import { formatLsn, type Lsn, maxLsn, parseLsn } from "../../model/lsn.ts";
import { otherSide, type SideName, streamOutOf } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { JournalStore } from "../../state/audit/journal.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { type FenceProof, FenceStore } from "../../state/fence-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { TailStore } from "../../state/tail-store.ts";
import type { Migration } from "../open-migration.ts";
import { openWatchedLog } from "../stream/watched-log.ts";
import { systemClock } from "../system-clock.ts";

const EVERY_MILLIS = 1_000;

export interface FenceWatchParts {
  readonly migration: Migration;
  /** Cluster of each side (`pg_control_system`). */
  readonly identifiers: Readonly<Record<SideName, string>>;
  readonly bus: ProgressBus;
}

export class FenceWatch {
  readonly #parts: FenceWatchParts;
  readonly #store: FenceStore;
  #next = 0;
  #told = "";

  constructor(parts: FenceWatchParts) {
    this.#parts = parts;
    this.#store = new FenceStore(parts.migration.state);
  }

  /** Cheap when nothing is fenced or nothing has come. Never throws: what goes wrong is a warning, for the streams must go on. */
  async look(): Promise<void> {
    if (systemClock.now() < this.#next) return;
    try {
      const proof = this.#current();
      if (proof !== null) await this.#read(proof);
    } catch (error) {
      this.#warn(
        "FENCE_NOT_WATCHED",
        `pghaul cannot see now whether the fence holds: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    this.#next = systemClock.now() + EVERY_MILLIS;
  }

  /** Of the side that is fenced now; null while a switch is under way, and where nothing is fenced. */
  #current(): FenceProof | null {
    const attempt = new CutoverStore(this.#parts.migration.state).load();
    if (attempt === null || attempt.outcome === "running") return null;
    const side = otherSide(primaryOf(attempt));
    const known = this.#store.load();
    if (attempt.outcome !== "switched" || attempt.fence === null) return known?.side === side ? known : null;
    if (known?.attempt === attempt.id) return known;
    const { lsn } = attempt.fence;
    return { attempt: attempt.id, side, fenceLsn: lsn, readTo: lsn, breach: null };
  }

  async #read(proof: FenceProof): Promise<void> {
    const { migration, identifiers } = this.#parts;
    const stream = streamOutOf(proof.side);
    const from = parseLsn(proof.readTo);
    const durable = new TailStore(migration.state).get(stream)?.durableLsn ?? 0n;
    if (durable > from) {
      const tables = new TableStore(migration.state).all().map(({ table }) => table);
      const log = await openWatchedLog({ migration, stream, tables, cluster: identifiers[proof.side], clock: systemClock });
      const to = log.passed();
      const found = new Map<Lsn, Set<string>>();
      // Markers are ours and in no table of the application.
      const moved = new Set(tables.map(({ id }) => id));
      for await (const { header, changes } of log.read({ from: maxLsn(from, log.start()), to }, moved, new AbortController().signal)) {
        const names = found.get(header.commitLsn) ?? new Set();
        found.set(header.commitLsn, names);
        for (const change of changes)
          for (const id of change.kind === "truncate" ? change.tables : [change.table]) if (moved.has(id)) names.add(id);
      }
      this.#record({ ...proof, readTo: formatLsn(to), breach: joined(proof.breach, found) }, found.size > 0);
    }
    const { breach } = this.#store.load() ?? proof;
    if (breach !== null) this.#warn("FENCE_BREACH", breachText({ side: proof.side, ...breach }));
  }

  #record(proof: FenceProof, isNews: boolean): void {
    const { migration } = this.#parts;
    migration.state.write(() => {
      this.#store.save(proof);
      if (isNews) new JournalStore(migration.state, migration.name).append("fence-breach", { side: proof.side, ...proof.breach });
    });
  }

  /** Once, until it is another. */
  #warn(code: string, message: string): void {
    if (this.#told === message) return;
    this.#told = message;
    this.#parts.bus.emit({ kind: "warning", code, message });
  }
}

function joined(before: FenceBreach | null, found: ReadonlyMap<Lsn, ReadonlySet<string>>): FenceBreach | null {
  const lsns = [...found.keys()];
  const [first, last] = [lsns[0], lsns.at(-1)];
  if (first === undefined || last === undefined) return before;
  return {
    transactions: (before?.transactions ?? 0) + lsns.length,
    tables: [...new Set([...(before?.tables ?? []), ...[...found.values()].flatMap((names) => [...names])])].slice(0, 10),
    firstLsn: before?.firstLsn ?? formatLsn(first),
    lastLsn: formatLsn(last),
    at: before?.at ?? new Date().toISOString(),
  };
}
