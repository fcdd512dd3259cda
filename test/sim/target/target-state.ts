import type { TableProgress } from "../../../src/engine/ports.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import type { KeyText } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Life } from "../crash.ts";
import type { Faults } from "../faults.ts";
import type { SimTable } from "../postgres/tables.ts";
import type { Random } from "../random.ts";
import { TableRows } from "./table-rows.ts";

export interface RecentCommit {
  durable: boolean;
  /** How to take it back. */
  readonly undo: readonly (() => void)[];
}

/** What the target's disk holds. */
export class TargetState {
  readonly tables: ReadonlyMap<string, TableRows>;
  stream: Lsn | null = null;
  readonly progress = new Map<string, TableProgress>();
  /** Chunks, and whose they are. */
  readonly merged = new Map<number, string>();
  /** Tables and what they refuse; nothing once the operator has removed the cause. */
  readonly refusing = new Map<string, (row: Row) => boolean>();
  readonly pending = new Map<string, Map<KeyText, Row>>();
  /** The last commits, the oldest first: those that a standby has not replayed, and those that are not on disk yet, all of them at the end. */
  recent: RecentCommit[] = [];
  /** Which transaction has written a table and not ended yet; others wait. */
  readonly locks = new Map<string, object>();

  constructor(tables: readonly SimTable[]) {
    this.tables = new Map(tables.map((sim) => [sim.table.id, new TableRows(sim)]));
  }

  /** A commit that waits for the disk takes all earlier ones along. */
  makeDurable(): void {
    for (const commit of this.recent) commit.durable = true;
  }

  /** A standby replays all that is on disk. */
  standbyFollows(): void {
    this.recent = this.recent.filter(({ durable }) => !durable);
  }

  /** Forgets what is not on disk, or, the standby taking over, what that has not replayed. Returns how many commits. */
  forget(what: "volatile" | "unreplayed"): number {
    const lost = this.recent.filter(({ durable }) => what === "unreplayed" || !durable);
    this.recent = this.recent.filter((commit) => !lost.includes(commit));
    for (const { undo } of lost.toReversed()) for (const step of undo.toReversed()) step();
    return lost.length;
  }
}

/** Looks at the target after each commit; `touched` are the tables whose rows or progress the transaction wrote. */
export type CommitWatch = (state: TargetState, touched: ReadonlySet<string>, streamMoved: boolean) => void;

export interface SimTargetParts {
  readonly state: TargetState;
  readonly life: Life;
  readonly random: Random;
  readonly faults: Pick<Faults, "strike" | "losesAnswer">;
  readonly watch: CommitWatch;
  readonly note: (what: string) => void;
}
