import { type Lsn, maxLsn } from "../../model/lsn.ts";
import { type KeyText, keyText, type Table } from "../../model/table.ts";
import { passRead } from "../pass-log.ts";
import type { VersionTarget } from "../ports/version-target.ts";
import type { EnginePorts } from "../ports.ts";
import type { VisibleFloor } from "../visible-floor.ts";
import type { PendingMoves } from "./pending-moves.ts";

/** Keys of one point re-read. */
const REREAD_KEYS = 1_000;

export interface RereadPorts extends Pick<EnginePorts, "source" | "log" | "clock" | "crashPoint"> {
  readonly target: Pick<VersionTarget, "loadKeys">;
}

/**
 * Reads again the keys to which rows were moved, as far as every snapshot from now on contains the move: one that was committed at or above the
 * floor may be invisible still, and stays pending. Returns the highest `hi` of its reads, 0 where there was none.
 */
export async function rereadMoves(
  ports: RereadPorts,
  table: Table,
  { moves, floor: visibleFloor, signal }: { readonly moves: PendingMoves; readonly floor: VisibleFloor; readonly signal: AbortSignal },
): Promise<Lsn> {
  const { source, log, target, crashPoint } = ports;
  let hi = 0n;
  for (;;) {
    await visibleFloor.current(signal);
    // Both before the snapshot.
    const [floor, since] = [visibleFloor.proved, log.streams()];
    const keys = moves
      .below(table.id, floor)
      .slice(0, REREAD_KEYS)
      .map(({ key }) => key);
    if (keys.length === 0) return hi;
    const read = await source.readKeys(table, keys, signal);
    await passRead(ports, { lsn: read.hi, since }, signal);
    // A key is its text: the source's operator may have found others that it calls equal.
    const asked = new Set<KeyText>(keys.map(keyText));
    const { taken } = read.rows.take(table.key ?? [], asked);
    crashPoint("after-reread-before-replace");
    await target.loadKeys(table, { floor, hi: read.hi, view: null }, keys, taken);
    moves.settle(table.id, keys, floor);
    hi = maxLsn(hi, read.hi);
  }
}
