import type { ProgressEvent } from "../../observe/events.ts";
import type { Logger } from "../../observe/log.ts";
import { ProgressState } from "./progress-state.ts";
import { statusFields } from "./status-line.ts";

/** A load of eight hours must not write a line for each chunk; phases, steps and warnings are always written. */
const UPDATE_EVERY_MS = 5_000;

/** Progress as log lines, for pipes, files, systemd and schedulers. */
export class LineView {
  readonly #state = new ProgressState();
  readonly #logger: Logger;
  readonly #now: () => number;
  #lastUpdateMs = Number.NEGATIVE_INFINITY;
  #lastWaiting: string | null = null;
  #unwritten = false;

  constructor(logger: Logger, now: () => number = Date.now) {
    this.#logger = logger;
    this.#now = now;
  }

  take(event: ProgressEvent): void {
    this.#state.take(event, this.#now());
    if (event.kind === "warning") this.#logger.warn("warning", { code: event.code, message: event.message });
    else if (event.kind === "notice") this.#logger.info("notice", { message: event.message });
    else if (event.kind === "step") this.#logger.info("step", { step: event.id, title: event.title, state: event.state, ms: event.ms });
    else this.#update(event.kind === "phase" || (event.kind === "waiting" && event.why !== this.#lastWaiting));
  }

  /** Writes the figures that the last line did not yet show. */
  close(): void {
    if (this.#unwritten) this.#update(true);
  }

  #update(always: boolean): void {
    this.#unwritten = true;
    const now = this.#now();
    if (!always && now - this.#lastUpdateMs < UPDATE_EVERY_MS) return;
    const figures = this.#state.figures();
    this.#lastUpdateMs = now;
    this.#lastWaiting = figures.waiting;
    this.#unwritten = false;
    this.#logger.info("progress", statusFields(figures));
  }
}
