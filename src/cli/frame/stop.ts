/**
 * Two wishes of an operator who presses Ctrl-C (or sends SIGTERM).
 *
 * The first is `finish`: end the chunk in hand, save, leave. The second is `now`: drop what is in hand; every piece of work
 * must survive that anyway, because a machine can die without asking. Both end with exit 130.
 */
export interface StopSignal {
  /** Aborted by the first signal: take nothing new, finish what is in hand. */
  readonly finish: AbortSignal;
  /** Aborted by the second signal: cancel running statements. `finish` is aborted too by then. */
  readonly now: AbortSignal;
  /** Takes the handlers off again. */
  release(): void;
}

/** How long running work may take to notice `now` before the process ends without it. */
const GRACE_AFTER_SECOND_MS = 5_000;

/** One Ctrl-C may arrive twice, from the terminal and from the process that handed over to us; copies within this time count once. */
const SAME_WISH_MS = 250;

export interface StopOptions {
  /** Told once a signal, with a sentence for the operator. */
  readonly announce: (text: string) => void;
  /** Replaced in tests. */
  readonly exit?: (code: number) => void;
}

/** Listens to SIGINT and SIGTERM until released. Call it once, from a command that runs long. */
export function listenForStop(options: StopOptions): StopSignal {
  const finish = new AbortController();
  const now = new AbortController();
  const exit = options.exit ?? ((code) => process.exit(code));
  let lastMs = Number.NEGATIVE_INFINITY;
  const onSignal = (signal: NodeJS.Signals): void => {
    const copy = performance.now() - lastMs < SAME_WISH_MS;
    lastMs = performance.now();
    if (copy) return;
    if (!finish.signal.aborted) {
      options.announce(`${signal}: finishing the current work, then stopping. Send it again to stop at once.`);
      finish.abort(new Error(`stopped by ${signal}`));
    } else if (!now.signal.aborted) {
      options.announce(`${signal}: stopping at once.`);
      now.abort(new Error(`stopped by a second ${signal}`));
      setTimeout(() => exit(130), GRACE_AFTER_SECOND_MS).unref();
    } else exit(130);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    finish: finish.signal,
    now: now.signal,
    release() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
