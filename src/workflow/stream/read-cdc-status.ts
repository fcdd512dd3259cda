import { type ConfigLocation, loadStateLocation } from "../../config/load-config.ts";
import { formatLsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import { openExistingState } from "../../state/open-state.ts";
import { PositionStore } from "../../state/position-store.ts";
import { ProgressStore } from "../../state/progress-store.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { TailStore } from "../../state/tail-store.ts";

/** `lag`, `slot` and `appliedLsn` are those of the forward stream; null before it has begun. */
export interface CdcStatus {
  readonly slot: string | null;
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly appliedLsn: string | null;
  readonly streams: readonly StreamStatus[];
}

export interface StreamStatus {
  readonly stream: StreamName;
  readonly slot: string;
  /** The log is complete up to here, and the slot acknowledged. */
  readonly durableLsn: string;
  /** Since the slot was made. */
  readonly transactions: number;
  readonly changes: number;
  readonly bytes: number;
  readonly updatedAt: string;
  /** Where it is applied, and how far; empty before the first table has joined. */
  readonly destinations: readonly { readonly name: string; readonly appliedLsn: string; readonly updatedAt: string }[];
}

/** From the state on this machine alone; empty before a slot was made. */
export async function readCdcStatus(location: ConfigLocation): Promise<CdcStatus> {
  const state = await openExistingState(loadStateLocation(location).directory);
  if (state === null) return { slot: null, lag: null, appliedLsn: null, streams: [] };
  try {
    const tails = new TailStore(state);
    const progress = new ProgressStore(state).get();
    const streams = (["forward", "reverse"] as const).flatMap((stream) => {
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
          updatedAt,
          destinations: positionsOf(state, stream),
        },
      ];
    });
    const { slot = null, lag = null } = progress ?? {};
    return { slot: streams[0]?.slot ?? null, lag, appliedLsn: slot?.appliedLsn ?? null, streams };
  } finally {
    state.close();
  }
}

function positionsOf(state: StateDatabase, stream: StreamName): StreamStatus["destinations"] {
  return new PositionStore(state)
    .all(stream)
    .map(({ destination, appliedLsn, updatedAt }) => ({ name: destination, appliedLsn: formatLsn(appliedLsn), updatedAt }));
}
