import type { Lsn } from "./lsn.ts";
import type { Row } from "./value.ts";

/** Why a table is held: what the target refused first. */
export interface Hold {
  /** The server's own words, without the values of rows. */
  readonly reason: string;
  /** Null where no server said one. */
  readonly sqlstate: string | null;
  /** Commit of the transaction whose change was refused; null for rows that the load read. */
  readonly lsn: Lsn | null;
  /** The row's key, in key order; null where the table has none, or it is not known which row it was. */
  readonly key: Row | null;
}
