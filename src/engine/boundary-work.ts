/** Work that must not run while a batch of a stream is under way; it waits for the next boundary between two. */
export class BoundaryWork {
  #queue: Waiting[] = [];
  /** Why nothing runs any more. */
  #ended: { readonly reason: unknown } | null = null;
  readonly #wake: () => void;

  /** `wake` is called when there is work: a stream at rest has to get up for it. */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  get isWaiting(): boolean {
    return this.#queue.length > 0;
  }

  /**
   * Settles as the work does. `endsStream` says which failures of it end the stream too. Rejects when the stream has ended: nobody must
   * wait for a boundary that never comes.
   */
  add(work: (signal: AbortSignal) => Promise<void>, endsStream: (error: unknown) => boolean): Promise<void> {
    if (this.#ended !== null) return Promise.reject(this.#ended.reason);
    const settled = new Promise<void>((resolve, reject) => {
      this.#queue.push({ work, endsStream, resolve, reject });
    });
    this.#wake();
    return settled;
  }

  /** To be called with the stream at rest. Throws a failure that ends the stream. */
  async run(signal: AbortSignal): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      try {
        await next.work(signal);
        next.resolve();
      } catch (error) {
        next.reject(error);
        if (next.endsStream(error)) throw error;
      }
    }
  }

  /** The stream has ended: what waits, and what comes later, is refused with the reason. */
  end(reason: unknown): void {
    this.#ended = { reason };
    for (const { reject } of this.#queue.splice(0)) reject(reason);
  }
}

interface Waiting {
  readonly work: (signal: AbortSignal) => Promise<void>;
  readonly endsStream: (error: unknown) => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}
