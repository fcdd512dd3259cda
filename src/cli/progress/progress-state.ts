import { caughtUpInSeconds, copiedInSeconds, keepsUp, percentDone, RateWindow } from "../../observe/eta.ts";
import type { LagEvent, LoadEvent, Phase, ProgressEvent, VerifyEvent } from "../../observe/events.ts";

/** Rates look back this far. */
const RATE_WINDOW_MS = 60_000;

/** Phases in which rows are still being loaded. */
const BEFORE_LOADED: ReadonlySet<Phase> = new Set(["checking", "schema", "slot", "barrier", "loading"]);

/** The numbers of one status line; null where nothing is known yet. */
export interface ProgressFigures {
  readonly phase: Phase | null;
  readonly detail: string | null;
  readonly load: LoadEvent | null;
  /** 0-99 while loading, 100 only afterwards. */
  readonly percent: number | null;
  readonly bytesPerSecond: number | null;
  readonly copiedInSeconds: number | null;
  readonly caughtUpInSeconds: number | null;
  readonly lag: LagEvent | null;
  /** Why nothing moves, from the last `waiting` event; the next load or phase event clears it, or a stream that goes on. */
  readonly waiting: string | null;
}

/** Folds events into the figures that both views show. */
export class ProgressState {
  #phase: Phase | null = null;
  #detail: string | null = null;
  #load: LoadEvent | null = null;
  #lag: LagEvent | null = null;
  #waiting: string | null = null;
  readonly #loadRate = new RateWindow(RATE_WINDOW_MS);
  readonly #lagRate = new RateWindow(RATE_WINDOW_MS);

  take(event: ProgressEvent, atMs: number): void {
    if (event.kind === "phase") {
      this.#phase = event.phase;
      this.#detail = event.detail ?? null;
      this.#waiting = null;
    } else if (event.kind === "load") {
      this.#load = event;
      this.#loadRate.add(atMs, event.bytes);
      this.#waiting = null;
    } else if (event.kind === "lag") {
      this.#lag = event;
      this.#lagRate.add(atMs, event.bytes);
      // A connection that came back tells nobody; that changes arrive again does.
      if (this.#isLoaded() && keepsUp(event)) this.#waiting = null;
    } else if (event.kind === "verify") {
      this.#detail = `${event.tablesDone} of ${event.tablesTotal} tables compared${placeOf(event.at)}`;
      this.#waiting = null;
    } else if (event.kind === "waiting") this.#waiting = event.why;
  }

  figures(): ProgressFigures {
    const load = this.#load;
    const loaded = this.#isLoaded();
    const rate = this.#loadRate.perSecond();
    const copied = loaded ? 0 : load === null ? null : copiedInSeconds(load.bytesExpected - load.bytes, rate);
    return {
      phase: this.#phase,
      detail: this.#detail,
      load,
      percent: load === null ? null : percentDone(load.bytes, load.bytesExpected, loaded),
      bytesPerSecond: rate,
      copiedInSeconds: copied,
      caughtUpInSeconds: this.#lag === null ? null : caughtUpInSeconds(copied, this.#lag.bytes, this.#lagRate.perSecond()),
      lag: this.#lag,
      waiting: this.#waiting,
    };
  }

  #isLoaded(): boolean {
    return this.#phase !== null && !BEFORE_LOADED.has(this.#phase);
  }
}

function placeOf(at: VerifyEvent["at"]): string {
  if (at === null) return "";
  return at.pieces === 1 ? `, at ${at.table}` : `, at ${at.table} piece ${at.piece} of ${at.pieces}`;
}
