/** A simulated version target in one life: what it was told is durable stays, what it accepted may be lost until it is settled. */

import type { AppendedStretch, VersionedRead, VersionProgress, VersionTarget } from "../../../src/engine/ports/version-target.ts";
import type { ChunkRows } from "../../../src/engine/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { TransactionPiece } from "../../../src/model/change.ts";
import { formatLsn, type Lsn } from "../../../src/model/lsn.ts";
import type { Table } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Life } from "../crash.ts";
import { SimulationFailure } from "../failure.ts";
import type { Faults } from "../faults.ts";
import { decodeRow, type SimRows } from "../postgres/rows.ts";
import type { VersionedChange, VersionState } from "./version-state.ts";

export interface SimVersionTargetParts {
  readonly state: VersionState;
  readonly life: Life;
  readonly faults: Pick<Faults, "strike" | "losesAnswer">;
  readonly cadence: VersionTarget["cadence"];
  readonly note: (what: string) => void;
  /** Looks at the target after each durable or accepted step. */
  readonly watch: (state: VersionState) => void;
}

export class SimVersionTarget implements VersionTarget {
  readonly side = "target";
  readonly cadence: VersionTarget["cadence"];
  readonly carriesMoves: boolean;
  readonly #parts: SimVersionTargetParts;
  #crashed = false;
  #appending = false;

  constructor(parts: SimVersionTargetParts) {
    this.#parts = parts;
    this.cadence = parts.cadence;
    this.carriesMoves = parts.state.carriesMoves;
  }

  /** The server has all that this life has been told. */
  get remembers(): boolean {
    return !this.#crashed;
  }

  crash(): void {
    this.#crashed = true;
    if (this.#parts.state.forgetUnsettled() > 0) this.#parts.note("append lost");
  }

  async progress(): Promise<VersionProgress> {
    await this.#turn("target.progress");
    return this.#parts.state.progress();
  }

  async loadChunk(table: Table, chunk: number, version: VersionedRead, rows: ChunkRows): Promise<void> {
    await this.#turn("target.load");
    const read = { version, rows: (rows as SimRows).rows, keys: [] };
    await this.#record(() => this.#parts.state.put(table.id, chunk, read));
  }

  async loadWhole(
    table: Table,
    chunk: number,
    copyText: AsyncIterable<Uint8Array>,
    confirm: () => Promise<VersionedRead>,
  ): Promise<{ rows: number; bytes: number }> {
    await this.#turn("target.load");
    const rows: Row[] = [];
    let bytes = 0;
    for await (const line of copyText) {
      this.#demand();
      bytes += line.length;
      rows.push(decodeRow(line));
    }
    const version = await confirm();
    await this.#record(() => this.#parts.state.put(table.id, chunk, { version, rows, keys: [] }));
    return { rows: rows.length, bytes };
  }

  async loadKeys(table: Table, version: VersionedRead, keys: readonly Row[], rows: readonly Row[]): Promise<void> {
    await this.#turn("target.load keys");
    await this.#record(() => this.#parts.state.tableOf(table.id).rereads.push({ version, rows, keys }));
    this.#parts.note("re-read");
  }

  async append(
    tables: ReadonlyMap<string, Table>,
    from: Lsn,
    pieces: AsyncIterable<TransactionPiece>,
    close: () => AppendedStretch,
  ): Promise<void> {
    const { state, note } = this.#parts;
    if (this.#appending) throw new SimulationFailure("position", "two appends at once");
    this.#appending = true;
    try {
      await this.#turn("target.append");
      const accepted = state.accepted;
      if (state.checksStart && accepted !== null && from !== accepted)
        throw new SimulationFailure("position", `appended from ${formatLsn(from)}, accepted ${formatLsn(accepted)}`);
      const changes: VersionedChange[] = [];
      for await (const piece of pieces) {
        await this.#turn("target.append");
        changes.push(...versionsOf(piece, tables));
      }
      const { to, pending } = close();
      if (state.checksStart && changes.some(({ header: { commitLsn } }) => commitLsn < from || commitLsn >= to))
        throw new SimulationFailure("position", `appended what is not in [${formatLsn(from)}, ${formatLsn(to)})`);
      await this.#record(() => state.append({ from, to, changes, pending }));
      if (pending.length > 0) note("move pending");
      note(changes.length === 0 ? "idle stretch" : "append");
    } finally {
      this.#appending = false;
    }
  }

  async settle(): Promise<Lsn | null> {
    const { state } = this.#parts;
    await this.#turn("target.settle");
    await this.#record(() => state.settle());
    return state.durable;
  }

  async publish(table: Table, position: Lsn): Promise<void> {
    const { state } = this.#parts;
    await this.#turn("target.publish");
    if (position > (state.durable ?? 0n)) throw new SimulationFailure("position", `${table.id} is published above what is durable`);
    await this.#record(() => {
      const loaded = state.tableOf(table.id);
      loaded.published ??= position;
    });
  }

  holdTable(): Promise<void> {
    return Promise.reject(new SimulationFailure("position", "no table changes its columns here"));
  }

  async forgetTable(table: Table): Promise<void> {
    await this.#turn("target.forget");
    await this.#record(() => this.#parts.state.loaded.delete(table.id));
    this.#parts.note("table forgotten");
  }

  /** One durable step, whose answer may be lost. */
  async #record(step: () => void): Promise<void> {
    await this.#turn("target.record");
    step();
    this.#parts.watch(this.#parts.state);
    await this.#turn("target.recorded");
    if (this.#parts.faults.losesAnswer()) throw lost();
  }

  async #turn(label: string): Promise<void> {
    await this.#parts.life.turn(label);
    this.#demand();
  }

  #demand(): void {
    this.#parts.life.demand();
    if (this.#crashed || this.#parts.faults.strike()) throw lost();
  }
}

function versionsOf({ header, firstOrdinal, changes }: TransactionPiece, tables: ReadonlyMap<string, Table>): VersionedChange[] {
  return changes
    .map((change, index) => ({ header, ordinal: firstOrdinal + index, change }))
    .filter(({ change }) => change.kind === "truncate" || tables.has(change.table));
}

function lost(): PghaulError {
  return new PghaulError("TARGET_LOST", "simulated");
}
