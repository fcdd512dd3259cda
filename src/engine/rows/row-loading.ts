import type { PghaulError } from "../../errors/pghaul-error.ts";
import { type Lsn, maxLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import type { EnginePorts, TableProgress, TargetProgress } from "../ports.ts";
import { holdOf } from "../refusal.ts";
import type { KeyedLoad, TableLoading } from "../table-loading.ts";
import type { VisibleFloor } from "../visible-floor.ts";
import { TableLoad } from "./table-load.ts";
import { loadWhole } from "./whole-load.ts";

/** What a load has nothing to do with. */
const SETTLED: ReadonlySet<TableProgress["state"] | undefined> = new Set(["joined", "held"]);

/** The load into a row target: each table has a cursor of its own in the log until it joins the stream. */
export class RowLoading implements TableLoading {
  readonly #ports: EnginePorts;
  readonly #known: TargetProgress;

  constructor(ports: EnginePorts, known: TargetProgress) {
    this.#ports = ports;
    this.#known = known;
  }

  isSettled(table: string): boolean {
    return SETTLED.has(this.#known.tables.get(table)?.state);
  }

  hasBegun(table: string): boolean {
    return this.#known.tables.has(table);
  }

  loadedBefore(table: string): TableProgress | null {
    const progress = this.#known.tables.get(table);
    return progress?.state === "loaded" ? progress : null;
  }

  neededFrom(table: string, floor: Lsn): Lsn {
    return this.#known.tables.get(table)?.cursor ?? floor;
  }

  hasChunk(chunk: number): boolean {
    return this.#known.mergedChunks.has(chunk);
  }

  open(table: Table, signal: AbortSignal): KeyedLoad {
    const progress = this.#known.tables.get(table.id) ?? null;
    return new TableLoad(table, this.#ports, { progress, pending: this.#known.pending.get(table.id) ?? [] }, signal);
  }

  async loadWhole(table: Table, floor: VisibleFloor, signal: AbortSignal): Promise<TableProgress> {
    const known = this.#known.tables.get(table.id) ?? null;
    return await loadWhole(table, this.#ports, { known, floor, signal });
  }

  async hold({ id }: Table, refusal: PghaulError, cursor: Lsn): Promise<void> {
    const { target, observer, crashPoint } = this.#ports;
    const hold = holdOf(refusal, { lsn: null, key: null });
    crashPoint("before-table-held");
    // Progress of the table that was written later would take this back: nothing is under way any more.
    await target.transaction("load", (transaction) =>
      transaction.setTableProgress(id, { cursor: maxLsn(cursor, hold.lsn ?? 0n), state: "held", filter: null, hold }),
    );
    crashPoint("after-table-held");
    observer.tableHeld(id, hold);
  }
}
