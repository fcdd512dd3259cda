import { PghaulError } from "../../errors/pghaul-error.ts";

/** What a pool needs to know of a session. */
export interface Pooled {
  readonly lost: boolean;
  end(): Promise<void>;
}

/** A session nobody has used for this long is closed; the load's connections do not outlive the load. */
const IDLE_MILLIS = 60_000;

interface Slot<S extends Pooled> {
  readonly lane: number;
  session: S | null;
  closing: NodeJS.Timeout | null;
}

/** Up to `size` sessions, opened when first needed, each used by one caller at a time; callers wait in order. */
export class SessionPool<S extends Pooled> {
  readonly #open: (lane: number) => Promise<S>;
  readonly #signal: AbortSignal;
  readonly #free: Slot<S>[];
  readonly #busy = new Set<Slot<S>>();
  readonly #waiting: ((slot: Slot<S> | PghaulError) => void)[] = [];
  #closed = false;

  constructor(size: number, open: (lane: number) => Promise<S>, signal: AbortSignal) {
    this.#open = open;
    this.#signal = signal;
    // The last is taken first, so that lane 0 is the one that is always in use.
    this.#free = Array.from({ length: size }, (_, lane) => ({ lane, session: null, closing: null })).reverse();
  }

  /** Runs `work` with a session of its own. A session that `work` lost is replaced by a new one on the next call. */
  async use<T>(work: (session: S) => Promise<T>): Promise<T> {
    const slot = await this.#take();
    try {
      this.#signal.throwIfAborted();
      if (slot.session?.lost === true) slot.session = null;
      slot.session ??= await this.#open(slot.lane);
      return await work(slot.session);
    } finally {
      await this.#giveBack(slot);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter(closedError());
    const slots = [...this.#free, ...this.#busy];
    await Promise.all(slots.map((slot) => endSession(slot)));
  }

  async #take(): Promise<Slot<S>> {
    this.#signal.throwIfAborted();
    if (this.#closed) throw closedError();
    const slot = this.#free.pop() ?? (await this.#wait());
    if (slot.closing !== null) clearTimeout(slot.closing);
    slot.closing = null;
    this.#busy.add(slot);
    return slot;
  }

  async #wait(): Promise<Slot<S>> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(this.#signal.reason as Error);
      };
      const waiter = (outcome: Slot<S> | PghaulError): void => {
        this.#signal.removeEventListener("abort", leave);
        if (outcome instanceof PghaulError) reject(outcome);
        else resolve(outcome);
      };
      this.#signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiter);
    });
  }

  async #giveBack(slot: Slot<S>): Promise<void> {
    this.#busy.delete(slot);
    if (this.#closed || slot.session?.lost === true) await endSession(slot);
    const next = this.#waiting.shift();
    if (next !== undefined) return next(slot);
    this.#free.push(slot);
    if (slot.session === null) return;
    slot.closing = setTimeout(() => void endSession(slot), IDLE_MILLIS);
    slot.closing.unref();
  }
}

async function endSession<S extends Pooled>(slot: Slot<S>): Promise<void> {
  if (slot.closing !== null) clearTimeout(slot.closing);
  slot.closing = null;
  const session = slot.session;
  slot.session = null;
  await session?.end();
}

function closedError(): PghaulError {
  return new PghaulError("INTERRUPTED", "the target was closed");
}
