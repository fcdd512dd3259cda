import type { TableProgress } from "../../../src/engine/ports.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import type { KeyText } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Life } from "../crash.ts";
import type { Faults } from "../faults.ts";
import type { SimTable } from "../postgres/tables.ts";
import type { Random } from "../random.ts";
import { TableRows } from "./table-rows.ts";

/** What the target's disk holds. */
export class TargetState {
  readonly tables: ReadonlyMap<string, TableRows>;
  stream: Lsn | null = null;
  readonly progress = new Map<string, TableProgress>();
  readonly merged = new Set<number>();
  readonly pending = new Map<string, Map<KeyText, Row>>();
  /** How to take back what was committed asynchronously and is not on disk yet. */
  volatile: (() => void)[] = [];
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
