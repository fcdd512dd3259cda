/**
 * How far the other side is behind, asked of the origin once a second over one small session; the answer goes to the bus, to the state (for
 * `status`) and to the samples of the report.
 */

import type pg from "pg";
import type { Clock } from "../../engine/ports.ts";
import { formatLsn, type Lsn, parseLsn } from "../../model/lsn.ts";
import type { SideName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { selectOrigin } from "../../source/queries/lag-queries.ts";
import type { PositionStore } from "../../state/position-store.ts";
import type { ProgressStore, SlotFacts } from "../../state/progress-store.ts";
import type { SampleStore } from "../../state/storage/sample-store.ts";
import { isSourceFault, SourceWatch } from "../changes/watch-source.ts";
import { LagSeconds } from "./lag-seconds.ts";
import type { StreamWatch } from "./watch-stream.ts";

/** The side whose writes count, and the stream out of it. */
export interface Upstream {
  readonly side: SideName;
  readonly connect: (signal: AbortSignal) => Promise<pg.Client>;
  readonly slot: string;
  /** Looks for what happened to the tables and does not stream; see `SourceWatch`. */
  readonly changes: (client: pg.Client) => Promise<void>;
  /** How far the other side is. */
  readonly watch: Pick<StreamWatch, "stream" | "positions" | "position" | "lastApplied" | "counts">;
}

export interface LagParts {
  /** Asked before each measurement: a switch makes it another. */
  readonly upstream: () => Upstream;
  readonly bus: ProgressBus;
  readonly progress: ProgressStore;
  readonly positions: PositionStore;
  readonly samples: SampleStore;
  readonly clock: Clock;
}

const INTERVAL_MILLIS = 1_000;
/** The primary's health is asked for every so many measurements. */
const HEALTH_EVERY = 15;

export interface Lag {
  readonly bytes: number;
  readonly seconds: number;
}

/** Measures until the signal aborts. An origin that is away is no failure here: the streams say so themselves. Throws source faults. */
export async function measureLag(parts: LagParts, signal: AbortSignal): Promise<void> {
  let up = parts.upstream();
  let health = new SourceWatch({ ...up, bus: parts.bus });
  let seconds = new LagSeconds();
  let round = 0;
  let client: pg.Client | null = null;
  let before = { at: parts.clock.now(), ...up.watch.counts };
  try {
    while (!signal.aborted) {
      await parts.clock.sleep(INTERVAL_MILLIS, signal);
      const current = parts.upstream();
      if (current.side !== up.side) {
        up = current;
        health = new SourceWatch({ ...up, bus: parts.bus });
        seconds = new LagSeconds();
        round = 0;
        before = { at: before.at, ...up.watch.counts };
        await client?.end().catch(() => undefined);
        client = null;
        parts.bus.emit({
          kind: "warning",
          code: "PRIMARY_CHANGED",
          message: `the ${up.side} is the primary: the lag shown is that of the stream out of it`,
        });
      }
      const now = { at: parts.clock.now(), ...up.watch.counts };
      const span = (now.at - before.at) / 1000;
      const rates = { bytesPerSecond: (now.bytes - before.bytes) / span, changesPerSecond: (now.changes - before.changes) / span };
      before = now;
      try {
        client ??= await up.connect(signal);
        // A lost session shows in the next statement.
        if (round % HEALTH_EVERY === 0) await health.look(client);
        round += 1;
        tell({ ...parts, ...up }, seconds, { ...(await readOrigin(client, up.slot, up.watch.position)), ...rates });
      } catch (error) {
        if (isSourceFault(error)) throw error;
        await client?.end().catch(() => undefined);
        client = null;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await client?.end().catch(() => undefined);
  }
}

interface OriginState {
  readonly end: Lsn;
  readonly slot: SlotFacts;
}

async function readOrigin(client: pg.Client, slot: string, applied: Lsn | null): Promise<OriginState> {
  const row = await selectOrigin(client, slot);
  return {
    end: parseLsn(row.end),
    slot: {
      name: slot,
      appliedLsn: applied === null ? null : formatLsn(applied),
      retainedBytes: numberOf(row.retained),
      walStatus: row.status,
      safeWalBytes: numberOf(row.safe),
    },
  };
}

interface Measured extends OriginState {
  readonly bytesPerSecond: number;
  readonly changesPerSecond: number;
}

function tell(parts: LagParts & Upstream, seconds: LagSeconds, { end, slot, ...rates }: Measured): void {
  const lag = lagOf(parts, end, seconds);
  parts.progress.update({ lag, slot, ...rates });
  parts.positions.note(parts.watch.stream, parts.watch.positions);
  parts.samples.add({ at: Date.now(), lag, ...rates });
  if (lag === null) return;
  parts.bus.emit({ kind: "lag", ...lag, changesPerSecond: rates.changesPerSecond, slotRetainedBytes: slot.retainedBytes });
}

function lagOf({ watch }: Upstream, end: Lsn, seconds: LagSeconds): Lag | null {
  const reached = watch.position;
  if (reached === null) return null;
  const now = Date.now();
  seconds.note(end, now);
  const bytes = Math.max(0, Number(end - reached));
  if (bytes === 0) return { bytes, seconds: 0 };
  const lastCommit = watch.lastApplied?.commitMicros;
  const behind = seconds.behind(reached, lastCommit === undefined ? null : Number(lastCommit / 1000n), now);
  // A process that has just begun over a position far back knows of no moment that has been reached: as long as it has watched, at least.
  return { bytes, seconds: behind ?? seconds.watched(now) };
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
