import type { Lsn } from "../model/lsn.ts";

/** What the state records before the slot is acknowledged. */
export interface DurablePoint {
  /** Every transaction with commitLsn < lsn is fsynced. */
  readonly lsn: Lsn;
  readonly xidReference: bigint;
}
