import { formatLsn, type Lsn, maxLsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { RowDifference, TableVerdict } from "../../verify/ports.ts";

/** A verification as commands return it. Counts and LSNs are text: both go past what a JSON number holds. */
export interface VerifyResult {
  readonly verdict: "equal" | "different";
  /** The highest position at which a verdict holds; each table names its own. */
  readonly lsn: string;
  readonly tables: readonly VerifiedTable[];
}

export interface VerifiedTable {
  readonly table: string;
  readonly equal: boolean;
  readonly rows: string;
  readonly targetRows: string;
  /** Rows of which generated columns were not compared. */
  readonly generatedUnread: string;
  /** Where the verdict holds: from the first piece compared to the last. */
  readonly lsnFrom: string;
  readonly lsn: string;
  readonly chunks: number;
  readonly millis: number;
  readonly differences: readonly RowDifference[];
}

/**
 * The comparison knows a primary and a side that follows. What is recorded and shown knows source and target; after a switch they are the
 * other way round.
 */
export function asSourceAndTarget(verdict: TableVerdict, stream: StreamName): TableVerdict {
  if (stream === "forward") return verdict;
  const swapped = { missing: "extra", extra: "missing", changed: "changed" } as const;
  return {
    ...verdict,
    rows: verdict.targetRows,
    targetRows: verdict.rows,
    differences: verdict.differences.map((difference) => ({ ...difference, kind: swapped[difference.kind] })),
  };
}

export function verifyResult(verdicts: readonly TableVerdict[]): VerifyResult {
  return {
    verdict: verdicts.every(({ equal }) => equal) ? "equal" : "different",
    lsn: formatLsn(verdicts.reduce((high: Lsn, { lsn }) => maxLsn(high, lsn), 0n)),
    tables: verdicts.map((verdict) => ({
      ...verdict,
      rows: String(verdict.rows),
      targetRows: String(verdict.targetRows),
      generatedUnread: String(verdict.generatedUnread ?? 0n),
      lsnFrom: formatLsn(verdict.lsnFrom),
      lsn: formatLsn(verdict.lsn),
    })),
  };
}

/** A differing row as a line of a table: keys are shown, values never. */
export function differenceCells(table: string, { kind, key, columns, times }: RowDifference): string[] {
  const what = { missing: "missing at the target", extra: "extra at the target", changed: `differs in ${columns.join(", ")}` }[kind];
  return [table, key.join(", "), times === undefined ? what : `${what} (${times} copies)`];
}
