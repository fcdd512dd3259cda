import type { ChangeLog, Clock, LogRange } from "../../engine/ports.ts";
import type { ReadOnlyLog } from "../../log/read-only-log.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { TailStore } from "../../state/tail-store.ts";

const POLL_MILLIS = 20;

/** The log of a process that streams, seen from another: what is durable is asked of the state, and waited for by asking again. */
export class WatchedLog implements Pick<ChangeLog, "start" | "passed" | "waitPassed" | "read" | "headers"> {
  readonly #log: ReadOnlyLog;
  readonly #tails: TailStore;
  readonly #stream: StreamName;
  readonly #clock: Clock;

  constructor(log: ReadOnlyLog, tails: TailStore, stream: StreamName, clock: Clock) {
    this.#log = log;
    this.#tails = tails;
    this.#stream = stream;
    this.#clock = clock;
  }

  start(): Lsn {
    return this.#log.start();
  }

  passed(): Lsn {
    return this.#log.passed();
  }

  async waitPassed(lsn: Lsn, signal: AbortSignal): Promise<void> {
    while (this.#log.passed() < lsn) {
      const durable = this.#tails.get(this.#stream)?.durableLsn ?? 0n;
      if (durable > this.#log.passed()) await this.#log.refresh(durable);
      if (this.#log.passed() >= lsn) return;
      await this.#clock.sleep(POLL_MILLIS, signal);
    }
  }

  read(range: LogRange, tables: ReadonlySet<string>, signal: AbortSignal): ReturnType<ChangeLog["read"]> {
    return this.#log.read(range, tables, signal);
  }

  headers(range: LogRange, signal: AbortSignal): ReturnType<ChangeLog["headers"]> {
    return this.#log.headers(range, signal);
  }
}
