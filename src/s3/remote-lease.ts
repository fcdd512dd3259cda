/**
 * Who may write to a migration in the bucket: one holder at a time, over all machines.
 *
 * Promises. A holder's `commit` that returns was written while nobody else had taken the lease: taking it changes the head, and the conditional
 * write of whoever held it before fails from then on, for good. So nothing that a fenced writer does becomes part of the migration; it may leave
 * objects behind that no head names. The time after which a silent holder counts as gone (`TTL_MILLIS`) decides only how soon another may take
 * over: were it wrong, the holder would be fenced, and nothing lost. It is measured by the server's clock.
 */
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Bucket, StoredObject } from "./bucket.ts";
import { decodeHead, encodeHead, firstHead, HEAD_KEY, type Head, type RemoteHolder } from "./head.ts";

/** A holder writes the head at least this often. */
export const RENEW_MILLIS = 5_000;
/** So much silence is that of a machine that is gone. */
export const TTL_MILLIS = 30_000;
const LOOK_MILLIS = 1_000;

export interface LeaseClaim {
  readonly migration: string;
  readonly holder: RemoteHolder;
  /** Unlike any other's; the same for every process on this state directory, of which the caller makes sure that only one claims. */
  readonly directory: string;
  /** Whether the directory holds a state already. */
  readonly hasState: boolean;
  readonly waiting: (why: string) => void;
  readonly sleep: (millis: number) => Promise<void>;
}

interface Wish {
  readonly change: (head: Head) => Head;
  readonly resolve: (head: Head) => void;
  readonly reject: (reason: unknown) => void;
}

export class RemoteLease {
  readonly #bucket: Bucket;
  #head: Head;
  #etag: string;
  /** Written with an outcome that is not known; null where the head is what we know. */
  #unsure: Head | null = null;
  #wishes: Wish[] = [];
  #writing = false;
  #lost: PghaulError | null = null;

  private constructor(bucket: Bucket, head: Head, etag: string) {
    this.#bucket = bucket;
    this.#head = head;
    this.#etag = etag;
  }

  /** Throws STATE_LOCKED naming the holder, STATE_STALE where the directory's state is not the bucket's, BUCKET_*. */
  static async take(bucket: Bucket, claim: LeaseClaim): Promise<RemoteLease> {
    const first = await bucket.get(HEAD_KEY);
    if (first === null) return RemoteLease.#begin(bucket, claim);
    const found = await whenFree(bucket, first, claim);
    const known = decodeHead(found.body, bucket.url);
    if (known.migration !== claim.migration) {
      throw new PghaulError("CONFIG_CHANGED", `${bucket.url} belongs to the migration ${known.migration}`);
    }
    if (claim.hasState && known.directory !== claim.directory) throw stale(bucket, known);
    const { head, body } = encodeHead({ ...known, ...owned(claim), epoch: known.epoch + 1 });
    const etag = await bucket.replace(HEAD_KEY, body, found.etag);
    if (etag === null) throw locked(bucket, decodeHead((await bucket.get(HEAD_KEY))?.body ?? found.body, bucket.url).holder);
    return new RemoteLease(bucket, head, etag);
  }

  static async #begin(bucket: Bucket, claim: LeaseClaim): Promise<RemoteLease> {
    const { head, body } = encodeHead({ ...firstHead(claim.migration), ...owned(claim), epoch: 1 });
    const isOurs = await bucket.create(HEAD_KEY, body);
    const found = await bucket.get(HEAD_KEY);
    if (!isOurs || found === null) throw locked(bucket, found === null ? null : decodeHead(found.body, bucket.url).holder);
    return new RemoteLease(bucket, head, found.etag);
  }

  get epoch(): number {
    return this.#head.epoch;
  }

  /** As last written. */
  get head(): Head {
    return this.#head;
  }

  /**
   * Writes the head, changed. Calls that come meanwhile share the next write. `change` may be applied again where an outcome was not known.
   * Throws STATE_LOCKED, from then on always, where somebody else has taken the lease; BUCKET_*.
   */
  commit(change: (head: Head) => Head): Promise<Head> {
    const written = new Promise<Head>((resolve, reject) => this.#wishes.push({ change, resolve, reject }));
    if (!this.#writing) void this.#write();
    return written;
  }

  /** Gives it up; not where it was lost already. Throws BUCKET_*. */
  async release(): Promise<void> {
    if (this.#lost !== null) return;
    await this.commit((head) => ({ ...head, holder: null })).catch((error: unknown) => {
      if (this.#lost === null) throw error;
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#wishes.length > 0) {
      const wishes = this.#wishes.splice(0);
      try {
        await this.#writeOnce(wishes);
        for (const { resolve } of wishes) resolve(this.#head);
      } catch (error) {
        for (const { reject } of wishes) reject(error);
      }
    }
    this.#writing = false;
  }

  async #writeOnce(wishes: readonly Wish[]): Promise<void> {
    if (this.#lost !== null) throw this.#lost;
    if (this.#unsure !== null) await this.#learn();
    const { head, body } = encodeHead(wishes.reduce((before, { change }) => change(before), this.#head));
    this.#unsure = head;
    const etag = await this.#bucket.replace(HEAD_KEY, body, this.#etag);
    if (etag === null) return await this.#fenced();
    this.#head = head;
    this.#etag = etag;
    this.#unsure = null;
  }

  /** The answer to the last write was lost: it was done, or not, or somebody has come in between. */
  async #learn(): Promise<void> {
    const found = await this.#bucket.get(HEAD_KEY);
    const known = found === null ? null : decodeHead(found.body, this.#bucket.url);
    if (found === null || known === null) return await this.#fenced();
    if (known.revision === this.#unsure?.revision) this.#head = this.#unsure;
    else if (known.revision !== this.#head.revision) return await this.#fenced();
    this.#etag = found.etag;
    this.#unsure = null;
  }

  async #fenced(): Promise<never> {
    const found = await this.#bucket.get(HEAD_KEY);
    this.#lost = locked(this.#bucket, found === null ? null : decodeHead(found.body, this.#bucket.url).holder, "was taken");
    throw this.#lost;
  }
}

/** The head once its holder is gone, or was ourselves. A holder that is there shows within seconds. */
async function whenFree(bucket: Bucket, first: StoredObject, { directory, waiting, sleep }: LeaseClaim): Promise<StoredObject> {
  let found = first;
  for (let looks = 0; ; looks += 1) {
    const { holder, directory: holding } = decodeHead(found.body, bucket.url);
    if (holder === null || holding === directory || found.ageMillis >= TTL_MILLIS) return found;
    if (found.etag !== first.etag) throw locked(bucket, holder);
    if (looks === 0) {
      waiting(
        `${described(holder)} holds the lease of ${bucket.url}; silent for ${Math.round(found.ageMillis / 1000)} s, taken over at ${TTL_MILLIS / 1000} s`,
      );
    }
    await sleep(LOOK_MILLIS);
    found = (await bucket.get(HEAD_KEY)) ?? found;
  }
}

function owned({ holder, directory }: LeaseClaim): Pick<Head, "holder" | "directory"> {
  return { holder, directory };
}

function described({ command, pid, host, since }: RemoteHolder): string {
  return `pid ${pid} (pghaul ${command}) on ${host} since ${since}`;
}

function locked(bucket: Bucket, holder: RemoteHolder | null, how = "is held"): PghaulError {
  const who = holder === null ? "by a process that has not said who it is" : `by ${described(holder)}`;
  return new PghaulError("STATE_LOCKED", `the lease of the migration in ${bucket.url} ${how} ${who}`, {
    suggestion: "pghaul state show",
    ...(holder === null ? {} : { context: { host: holder.host, pid: holder.pid } }),
  });
}

function stale(bucket: Bucket, { epoch }: Head): PghaulError {
  return new PghaulError(
    "STATE_STALE",
    `another machine went on with the migration (epoch ${epoch} in ${bucket.url}); the state in this directory is older and must not be used`,
    { context: { epoch }, suggestion: "move the state directory away, then: pghaul run" },
  );
}
