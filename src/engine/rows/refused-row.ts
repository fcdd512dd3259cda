/**
 * Finds out which of many rows the target refused: a server says why, but seldom which. The rows are written again by repeated halving, in a
 * transaction that is rolled back. A table is held only once, so this is done only once.
 */
import type { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { keyValues } from "../fold.ts";
import type { Target, TargetTransaction } from "../ports.ts";
import { holdOf, isRefusal, RefusedChange } from "../refusal.ts";

export interface RefusedRows {
  /** With a key. */
  readonly table: Table;
  readonly rows: readonly Row[];
  readonly put: (transaction: TargetTransaction, rows: readonly Row[]) => Promise<unknown>;
}

class Undone extends Error {
  override readonly name = "Undone";
  readonly found: PghaulError;

  constructor(found: PghaulError) {
    super("undone");
    this.found = found;
  }
}

/** The refusal with the row's key; as it was where the row is not found the second time. */
export async function namedRow(target: Pick<Target, "transaction">, refusal: PghaulError, refused: RefusedRows): Promise<PghaulError> {
  try {
    return await target.transaction("load", async (transaction) => {
      throw new Undone((await search(transaction, refused)) ?? refusal);
    });
  } catch (error) {
    // The code that records the hold meets any other failure again.
    return error instanceof Undone ? error.found : refusal;
  }
}

async function search(transaction: TargetTransaction, { table, rows, put }: RefusedRows): Promise<PghaulError | null> {
  const refusalOf = async (part: readonly Row[]): Promise<PghaulError | null> => {
    try {
      await transaction.attempt(() => put(transaction, part));
      return null;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return error;
    }
  };
  let part = rows;
  while (part.length > 1) {
    const half = part.slice(0, Math.ceil(part.length / 2));
    part = (await refusalOf(half)) === null ? part.slice(half.length) : half;
  }
  const [row] = part;
  const refusal = row === undefined ? null : await refusalOf(part);
  if (refusal === null || row === undefined || table.key === null) return null;
  return new RefusedChange(table.id, holdOf(refusal, { lsn: null, key: keyValues(table.key, row) }));
}
