import type { PghaulError } from "../../errors/pghaul-error.ts";
import { type Lsn, maxLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import type { EnginePorts, TableProgress, TargetProgress } from "../ports.ts";
import { holdOf } from "../refusal.ts";
import type { KeyedLoad, TableLoading } from "../table-loading.ts";
import type { VisibleFloor } from "../visible-floor.ts";
import { reloadTable } from "./reload-table.ts";
import { TableLoad } from "./table-load.ts";
import { loadWhole } from "./whole-load.ts";

/** What a load has nothing to do with. */
const SETTLED: ReadonlySet<TableProgress["state"] | undefined> = new Set(["joined", "held"]);

/** The load into a row target: each table has a cursor of its own in the log until it joins the stream. */
export class RowLoading implements TableLoading {
  readonly #ports: EnginePorts;
  readonly #known: TargetProgress;
  /** Tables whose recorded progress has been undone. */
  readonly #anew = new Set<string>();

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
    const progress = this.#progressOf(table);
    return progress?.state === "loaded" ? progress : null;
  }

  neededFrom(table: string, floor: Lsn): Lsn {
    return this.#progressOf(table)?.cursor ?? floor;
  }

  hasChunk(chunk: number): boolean {
    return this.#known.mergedChunks.has(chunk);
  }

  open(table: Table, signal: AbortSignal): KeyedLoad {
    const pending = this.#anew.has(table.id) ? [] : (this.#known.pending.get(table.id) ?? []);
    return new TableLoad(table, this.#ports, { progress: this.#progressOf(table.id), pending }, signal);
  }

  async loadWhole(table: Table, floor: VisibleFloor, signal: AbortSignal): Promise<TableProgress> {
    const known = this.#progressOf(table.id);
    return await loadWhole(table, this.#ports, { known, floor, signal });
  }

  async startOver(table: Table): Promise<void> {
    await reloadTable(this.#ports, table);
    this.#anew.add(table.id);
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

  #progressOf(table: string): TableProgress | null {
    return this.#anew.has(table) ? null : (this.#known.tables.get(table) ?? null);
  }
}
