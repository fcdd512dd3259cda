import { type ConfigLocation, loadStateLocation } from "../../config/load-config.ts";
import { formatLsn } from "../../model/lsn.ts";
import { openExistingState } from "../../state/open-state.ts";
import { ProgressStore } from "../../state/progress-store.ts";
import { TailStore } from "../../state/tail-store.ts";
import type { StreamName } from "../names.ts";

export interface CdcStatus {
  readonly stream: StreamName;
  readonly slot: string;
  /** The log is complete up to here, and the slot acknowledged. */
  readonly durableLsn: string;
  /** Since the slot was made. */
  readonly transactions: number;
  readonly changes: number;
  readonly bytes: number;
  /** Of the forward stream, as last measured; null for the reverse one. */
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly updatedAt: string;
}

/** From the state on this machine alone; empty before a slot was made. */
export async function readCdcStatus(location: ConfigLocation): Promise<readonly CdcStatus[]> {
  const state = await openExistingState(loadStateLocation(location).directory);
  if (state === null) return [];
  try {
    const tails = new TailStore(state);
    const lag = new ProgressStore(state).get()?.lag ?? null;
    return (["forward", "reverse"] as const).flatMap((stream) => {
      const tail = tails.get(stream);
      if (tail === null) return [];
      const { slot, durableLsn, transactions, changes, bytes, updatedAt } = tail;
      return [
        {
          stream,
          slot,
          durableLsn: formatLsn(durableLsn),
          transactions,
          changes,
          bytes,
          lag: stream === "forward" ? lag : null,
          updatedAt,
        },
      ];
    });
  } finally {
    state.close();
  }
}
