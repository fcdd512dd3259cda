/** Transactions that others wrote into moved tables of a fenced side, behind its fence. */
export interface FenceBreach {
  readonly transactions: number;
  readonly tables: readonly string[];
  readonly firstLsn: string;
  readonly lastLsn: string;
  /** When the first was seen, ISO 8601. */
  readonly at: string;
}

/** The breach as run, status and report tell it. */
export function breachText({ side, transactions, tables, firstLsn, lastLsn, at }: FenceBreach & { readonly side: string }): string {
  const count = transactions === 1 ? "1 transaction" : `${transactions} transactions`;
  const where = firstLsn === lastLsn ? `at ${firstLsn}` : `from ${firstLsn} to ${lastLsn}`;
  return `${count} got past the fence at the ${side} (${tables.join(", ")}, ${where}, first seen ${at}); find out who writes there and stop it, then run: pghaul verify run`;
}
