/** The simulated target: transactions that commit whole or not at all, by a few connections, any of which may break at any moment. */
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { TableProgress, Target, TargetProgress, TargetTransaction } from "../../../src/engine/ports.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import type { KeyText } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Life } from "../crash.ts";
import type { Faults } from "../faults.ts";
import type { SimTable } from "../postgres/tables.ts";
import type { Random } from "../random.ts";
import { TableRows } from "./table-rows.ts";
import { SimTargetTransaction } from "./transaction.ts";

/** What the target's disk holds. */
export class TargetState {
  readonly tables: ReadonlyMap<string, TableRows>;
  stream: Lsn | null = null;
  readonly progress = new Map<string, TableProgress>();
  readonly merged = new Set<number>();
  readonly pending = new Map<string, Map<KeyText, Row>>();
  /** Which transaction has written a table and not ended yet; others wait. */
  readonly locks = new Map<string, object>();

  constructor(tables: readonly SimTable[]) {
    this.tables = new Map(tables.map((sim) => [sim.table.id, new TableRows(sim)]));
  }
}

/** Looks at the target after each commit; `touched` are the tables whose rows or progress the transaction wrote. */
export type CommitWatch = (state: TargetState, touched: ReadonlySet<string>, streamMoved: boolean) => void;

export interface SimTargetParts {
  readonly state: TargetState;
  readonly life: Life;
  readonly random: Random;
  readonly faults: Faults;
  readonly watch: CommitWatch;
  readonly note: (what: string) => void;
}

export class SimTarget implements Target {
  readonly #parts: SimTargetParts;
  readonly #free: { stream: number; load: number };

  constructor(parts: SimTargetParts) {
    this.#parts = parts;
    this.#free = { stream: 1, load: parts.random.between(1, 3) };
  }

  async progress(): Promise<TargetProgress> {
    await this.#parts.life.turn("target.progress");
    const { stream, progress, merged, pending } = this.#parts.state;
    const keys = [...pending].map(([table, known]) => [table, [...known.values()]] as const);
    return { stream, tables: new Map(progress), mergedChunks: new Set(merged), pending: new Map(keys) };
  }

  async transaction<T>(lane: "stream" | "load", work: (transaction: TargetTransaction) => Promise<T>): Promise<T> {
    const { life, faults, state, watch } = this.#parts;
    await life.turn("target.begin");
    while (this.#free[lane] === 0) await life.turn("target.connection");
    this.#free[lane] -= 1;
    const transaction = new SimTargetTransaction(this.#parts);
    const rollBack = life.hold(() => transaction.rollBack());
    try {
      const result = await work(transaction);
      await life.turn("target.commit");
      if (faults.strikes("target")) throw lost();
      life.demand();
      transaction.commit();
      watch(state, transaction.touched, transaction.streamMoved);
      await life.turn("target.committed");
      // Committed, and the answer never came.
      if (faults.strikes("target")) throw lost();
      return result;
    } finally {
      rollBack();
      this.#free[lane] += 1;
    }
  }
}

export function lost(): PghaulError {
  return new PghaulError("TARGET_LOST", "simulated");
}
