import { formatBytes } from "../observe/units.ts";
import type { Pressure } from "./pressure.ts";

export interface Limits {
  readonly maxReplicaLagSeconds: number;
  readonly maxSlotBytes: number;
  /** `08:00-20:00 Europe/Berlin` while it is such an hour, else null. */
  readonly businessHours: (at: Date) => string | null;
}

/** Why no read should start now, a clause each; empty when one may. Without an answer of the source only the clock is a reason. */
export function reasonsToHold(limits: Limits, pressure: Pressure | null, at: Date): readonly string[] {
  const hours = limits.businessHours(at);
  return [
    ...(hours === null ? [] : [`these are business hours (${hours})`]),
    ...(pressure === null ? [] : [...lateStandby(limits, pressure), ...fullSlot(limits, pressure)]),
  ];
}

function lateStandby({ maxReplicaLagSeconds }: Limits, { standbys }: Pressure): readonly string[] {
  const [worst] = standbys.toSorted((a, b) => b.seconds - a.seconds);
  if (worst === undefined || worst.seconds <= maxReplicaLagSeconds) return [];
  // Rounded up: what is over the limit must not look equal to it.
  return [`the standby ${worst.name} is ${Math.ceil(worst.seconds)} s behind (limit ${maxReplicaLagSeconds} s)`];
}

function fullSlot({ maxSlotBytes }: Limits, { slotBytes }: Pressure): readonly string[] {
  if (slotBytes === null || slotBytes <= maxSlotBytes) return [];
  return [`pghaul's slot holds ${formatBytes(slotBytes)} of WAL at the source (limit ${formatBytes(maxSlotBytes)})`];
}
