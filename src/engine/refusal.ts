/**
 * The target's refusal of a row, in contrast to a target that is down or lacks a privilege: retrying does not help, and only this table is affected. The
 * adapter says which errors are refusals (code ROW_REFUSED); the engine holds the table and goes on with the others.
 */
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Change } from "../model/change.ts";
import type { Hold } from "../model/hold.ts";
import { formatLsn, type Lsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import type { Row } from "../model/value.ts";

/** A refusal whose change is known. */
export class RefusedChange extends PghaulError {
  readonly hold: Hold;

  constructor(table: string, hold: Hold) {
    super("ROW_REFUSED", hold.reason, {
      context: {
        table,
        ...(hold.lsn === null ? {} : { lsn: formatLsn(hold.lsn) }),
        ...(hold.sqlstate === null ? {} : { sqlstate: hold.sqlstate }),
      },
    });
    this.hold = hold;
  }
}

export function isRefusal(error: unknown): error is PghaulError {
  return error instanceof PghaulError && error.code === "ROW_REFUSED";
}

/** What is known of it. */
export function holdOf(error: PghaulError, { lsn, key }: Pick<Hold, "lsn" | "key">): Hold {
  if (error instanceof RefusedChange) return error.hold;
  const { sqlstate } = error.context;
  return { reason: error.message, sqlstate: typeof sqlstate === "string" ? sqlstate : null, lsn, key };
}

/** The change's place and row. */
export function placeOf(table: Table, change: Change, lsn: Lsn): Pick<Hold, "lsn" | "key"> {
  return { lsn, key: table.key === null ? null : keyOfChange(table.key, change) };
}

function keyOfChange(key: readonly number[], change: Change): Row | null {
  if (change.kind === "delete") return change.oldKey;
  if (change.kind === "insert" || change.kind === "update") return key.map((index) => change.row[index] as string);
  return null;
}
