/**
 * The state in the bucket: copies of the database, made by SQLite's backup API, and beside the newest one the facts on chunks that came after it.
 *
 * Promises. A copy is a whole database, of one moment. What `copy` was called after is in it when it returns. A chunk's range is in the bucket
 * before the chunk is merged (`kept`), so a state that begins again from here never has another range under an id that the target knows. All
 * else in a copy may be older than the machine that was lost: the target's own record and the log's end stand above it (docs/architecture.md).
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { CrashPoints } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Bucket } from "../../s3/bucket.ts";
import type { Head } from "../../s3/head.ts";
import type { RemoteLease } from "../../s3/remote-lease.ts";
import type { StateDatabase } from "../state-database.ts";
import { applyChunkFacts, type ChunkFact, type ChunkLedger } from "./chunk-ledger.ts";

/** A new copy is made when so many objects with facts have gathered: who begins again reads them one by one. */
const MANY_FACTS = 200;

/** What changes rarely and counts; figures and samples are not among it. */
const CHANGES = `
  select (select count(*) || ':' || coalesce(sum(version), 0) from document) || '|' || (select count(*) from journal)
    || '|' || (select coalesce(group_concat(id || coalesce(changed_at, '') || length(definition)), '') from migration_table)
    || '|' || (select coalesce(group_concat(table_id || destination || phase), '') from table_state)
    || '|' || (select coalesce(group_concat(stream || destination || table_id || at || coalesce(reload_asked, '') || coalesce(reload_refused, '')), '') from hold)
    || '|' || (select coalesce(group_concat(stream || slot || start_lsn), '') from tail)
    || '|' || (select coalesce(max(id), 0) from verdict) || '|' || (select count(*) from identity) as text`;

export class StateMirror implements ChunkLedger {
  readonly #bucket: Bucket;
  readonly #lease: RemoteLease;
  readonly #state: StateDatabase;
  readonly #crashPoint: CrashPoints;
  #facts: ChunkFact[] = [];
  #copied = "";
  /** One after another: a copy must not miss facts that an upload beside it takes for its own. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(bucket: Bucket, lease: RemoteLease, state: StateDatabase, crashPoint: CrashPoints) {
    this.#bucket = bucket;
    this.#lease = lease;
    this.#state = state;
    this.#crashPoint = crashPoint;
  }

  note(fact: ChunkFact): void {
    this.#facts.push(fact);
  }

  /** Throws BUCKET_*, STATE_LOCKED. */
  kept(): Promise<void> {
    return this.#inTurn(() => this.#uploadFacts());
  }

  /** Throws BUCKET_*, STATE_LOCKED, STATE_DISK_FULL. */
  copy(): Promise<void> {
    return this.#inTurn(() => this.#copy());
  }

  /** Copies where something that counts has changed since the last copy, by whatever process on this machine. */
  async copyChanges(): Promise<void> {
    if (this.#changes() !== this.#copied || this.#lease.head.chunks.length > MANY_FACTS) await this.copy();
  }

  async #uploadFacts(): Promise<void> {
    const facts = this.#facts;
    if (facts.length === 0) return;
    const key = `chunks/${this.#lease.epoch}-${randomUUID()}.json`;
    this.#facts = [];
    try {
      this.#crashPoint("before-chunks-kept");
      if (!(await this.#bucket.create(key, Buffer.from(JSON.stringify(facts))))) throw taken(this.#bucket, key);
      await this.#lease.commit((head) => (head.chunks.includes(key) ? head : { ...head, chunks: [...head.chunks, key] }));
      this.#crashPoint("after-chunks-kept");
    } catch (error) {
      // Sent again, before what came meanwhile: a fact twice changes nothing.
      this.#facts = [...facts, ...this.#facts];
      throw error;
    }
  }

  async #copy(): Promise<void> {
    const changes = this.#changes();
    const before = this.#lease.head;
    const file = path.join(this.#state.directory, "state.copy");
    // Facts noted from here on may be in the copy or not; those noted before are.
    const known = this.#facts.length;
    await this.#state.backup(file);
    const plain = await readFile(file);
    await rm(file, { force: true });
    const key = `state/${this.#lease.epoch}-${randomUUID()}.db.zst`;
    const sha256 = createHash("sha256").update(plain).digest("hex");
    this.#crashPoint("before-state-copied");
    if (!(await this.#bucket.create(key, await promisify(zstdCompress)(plain)))) throw taken(this.#bucket, key);
    const state = { key, sha256, at: new Date().toISOString() };
    await this.#lease.commit((head) => ({ ...head, state, chunks: head.chunks.filter((one) => !before.chunks.includes(one)) }));
    this.#crashPoint("after-state-copied");
    this.#facts.splice(0, known);
    this.#copied = changes;
    await this.#removeOld(before);
  }

  /** Nobody needs them any more; where that cannot be done (a policy, a lock of objects), a rule of the bucket does it. */
  async #removeOld({ state, chunks }: Head): Promise<void> {
    for (const key of [...(state === null ? [] : [state.key]), ...chunks]) await this.#bucket.remove(key).catch(() => undefined);
  }

  #changes(): string {
    return this.#state.read(() => this.#state.sqlite.prepare<[], { text: string }>(CHANGES).get()?.text ?? "");
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** The newest copy, as the bytes of a database. Throws BUCKET_DAMAGED, BUCKET_*. */
export async function readCopy(bucket: Bucket, { state }: Head): Promise<Buffer> {
  if (state === null) throw new PghaulError("BUCKET_DAMAGED", `${bucket.url} holds no copy of the state yet`);
  const found = await bucket.get(state.key);
  const plain = found === null ? null : await promisify(zstdDecompress)(found.body).catch(() => null);
  if (plain !== null && createHash("sha256").update(plain).digest("hex") === state.sha256) return plain;
  throw new PghaulError("BUCKET_DAMAGED", `${bucket.url}/${state.key} ${found === null ? "is missing" : "has the wrong checksum"}`);
}

/** Puts a copy in its place; it is there whole, or not at all. */
export async function writeCopy(directory: string, plain: Buffer): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, "state.db");
  for (const name of [`${file}-wal`, `${file}-shm`]) await rm(name, { force: true });
  await writeFile(`${file}.new`, plain, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}

/** The facts that came after the copy. Throws BUCKET_DAMAGED, BUCKET_*. */
export async function applyNewerFacts(bucket: Bucket, { chunks }: Head, state: StateDatabase): Promise<void> {
  for (const key of chunks) {
    const found = await bucket.get(key);
    if (found === null) throw new PghaulError("BUCKET_DAMAGED", `${bucket.url}/${key} is missing`);
    applyChunkFacts(state, JSON.parse(found.body.toString("utf8")) as ChunkFact[]);
  }
}

function taken({ url }: Bucket, key: string): PghaulError {
  return new PghaulError("BUCKET_DAMAGED", `${url}/${key} holds something else already`);
}
