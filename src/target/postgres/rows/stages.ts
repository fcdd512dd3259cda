import type pg from "pg";
import type { Table } from "../../../model/table.ts";
import { UNCHANGED } from "../../../model/value.ts";
import { copyBlocks, copyIn } from "./copy-in.ts";
import type { SourceRow } from "./row-source.ts";
import type { TargetTable } from "./target-table.ts";

interface Stage {
  readonly name: string;
  usedAt: number;
}

/**
 * Nobody vacuums a temporary table but its session, so an old one would hold back the target's transaction id horizon
 * (manual: "Preventing Transaction ID Wraparound Failures"). TRUNCATE renews it; one that is not used any more is dropped.
 */
const MAX_IDLE_MILLIS = 30 * 60_000;

/**
 * The temporary staging tables of one session, one for each table that needed one.
 *
 * They are kept and emptied by TRUNCATE: ON COMMIT DELETE ROWS costs 0.2 ms for every such table of the session at each commit, used
 * or not, and a table made anew for each batch leaves some fifty dead rows in the catalogs each time.
 */
export class Stages {
  readonly #client: pg.Client;
  readonly #stages = new Map<Table, Stage>();
  readonly #madeInTransaction: Table[] = [];
  #counter = 0;

  constructor(client: pg.Client) {
    this.#client = client;
  }

  /** Copies rows into the table's stage, which must be empty, and returns its name. To be emptied by `emptySql` before it is used again. */
  async fill(target: TargetTable, rows: Iterable<SourceRow>): Promise<string> {
    const stage = this.#stages.get(target.table) ?? (await this.#create(target));
    stage.usedAt = performance.now();
    await copyIn(this.#client, `copy ${stage.name} from stdin`, copyBlocks(stagedLines(rows)));
    return stage.name;
  }

  /** The same with ready COPY text: lines of the table's columns, which become puts. */
  async fillRaw(target: TargetTable, pieces: Iterable<Uint8Array>): Promise<string> {
    const { name, copy } = await this.open(target);
    await copyIn(this.#client, copy, pieces);
    return name;
  }

  /** The stage, and the COPY statement that takes such text. */
  async open(target: TargetTable): Promise<{ readonly name: string; readonly copy: string }> {
    const stage = this.#stages.get(target.table) ?? (await this.#create(target));
    stage.usedAt = performance.now();
    const columns = target.columns.map((_, column) => `c${column}`).join(", ");
    return { name: stage.name, copy: `copy ${stage.name} (${columns}) from stdin` };
  }

  emptySql(stage: string): string {
    return `truncate ${stage}`;
  }

  /** Drops what has not been used for long. Call at the start of a transaction. */
  async dropIdle(): Promise<void> {
    const before = performance.now() - MAX_IDLE_MILLIS;
    for (const [table, stage] of this.#stages) {
      if (stage.usedAt >= before) continue;
      this.#stages.delete(table);
      await this.#client.query(`drop table if exists ${stage.name}`);
    }
  }

  /** How many this transaction has made so far. */
  get made(): number {
    return this.#madeInTransaction.length;
  }

  /** A rollback to a savepoint has undone the CREATE of those made since. */
  undoneTo(made: number): void {
    for (const table of this.#madeInTransaction.splice(made)) this.#stages.delete(table);
  }

  /** A rollback has undone the CREATE of this transaction's new stages. */
  transactionEnded(committed: boolean): void {
    if (!committed) for (const table of this.#madeInTransaction) this.#stages.delete(table);
    this.#madeInTransaction.length = 0;
  }

  async #create(target: TargetTable): Promise<Stage> {
    this.#counter += 1;
    const stage: Stage = { name: `pg_temp.pghaul_stage_${this.#counter}`, usedAt: performance.now() };
    await this.#client.query(createStage(target, stage.name));
    this.#stages.set(target.table, stage);
    this.#madeInTransaction.push(target.table);
    return stage;
  }
}

/**
 * AS SELECT takes over types, modifiers and collations (a join over differing collations is an error) and nothing else: no NOT NULL,
 * identity or generation. `op` is 0, a put, unless told.
 */
function createStage(target: TargetTable, name: string): string {
  const columns = target.columns.map((column, index) => `t.${column.name}::${column.type} as c${index}`);
  return `create temporary table ${name} as select ${["0::integer as op", ...columns].join(", ")} from ${target.reach} as t with no data;
    alter table ${name} alter op set default 0`;
}

function* stagedLines(rows: Iterable<SourceRow>): Generator<(string | null)[]> {
  for (const { op, values } of rows) yield [String(op), ...values.map((value) => (value === UNCHANGED ? null : value))];
}
