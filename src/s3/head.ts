/**
 * The one object of a migration in the bucket that changes: `head.json`. It names the holder and every other object that counts, so that one
 * conditional write decides both who may write and what has been written. What it does not name is not there, whoever put it into the bucket.
 */
import { randomUUID } from "node:crypto";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { StreamName } from "../model/side.ts";

export const HEAD_KEY = "head.json";
const FORMAT = 1;

export interface RemoteHolder {
  readonly host: string;
  readonly pid: number;
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
}

/** How far a stream's log is in the bucket. */
export interface LogHead {
  /** Name (without suffix) of the oldest segment that a machine without a log needs. */
  readonly start: string;
  /** The place behind the last byte: segment and offset in it. */
  readonly segment: string;
  readonly offset: number;
  /** Every transaction with commitLsn < lsn is before that place; as PostgreSQL prints it. */
  readonly lsn: string;
  /** Which epoch wrote from where on, oldest first: a piece of another epoch at that place does not count. */
  readonly owners: readonly LogOwner[];
}

export interface LogOwner {
  readonly epoch: number;
  readonly segment: string;
  readonly offset: number;
}

export interface StateCopy {
  readonly key: string;
  readonly sha256: string;
  /** ISO 8601, by the clock of the machine that made it. */
  readonly at: string;
}

export interface Head {
  readonly format: number;
  readonly migration: string;
  /** Rises with every holder: what a holder of an earlier epoch writes does not count. */
  readonly epoch: number;
  /** New with every write. */
  readonly revision: string;
  /** Null while nobody runs. */
  readonly holder: RemoteHolder | null;
  /** The state directory whose facts these are: another one with a state in it is behind. */
  readonly directory: string;
  readonly state: StateCopy | null;
  /** Objects with facts on chunks that the state's copy does not know yet, in order. */
  readonly chunks: readonly string[];
  readonly logs: Readonly<Partial<Record<StreamName, LogHead>>>;
}

export function firstHead(migration: string): Head {
  return { format: FORMAT, migration, epoch: 0, revision: "", holder: null, directory: "", state: null, chunks: [], logs: {} };
}

/** The head with a new revision, and its bytes. */
export function encodeHead(head: Head): { readonly head: Head; readonly body: Buffer } {
  const next = { ...head, revision: randomUUID() };
  return { head: next, body: Buffer.from(`${JSON.stringify(next, null, 1)}\n`) };
}

/** Throws STATE_NEWER, BUCKET_DAMAGED. */
export function decodeHead(body: Buffer, url: string): Head {
  let head: Head;
  try {
    head = JSON.parse(body.toString("utf8")) as Head;
  } catch (error) {
    throw new PghaulError("BUCKET_DAMAGED", `${url}/${HEAD_KEY} is not JSON`, { cause: error });
  }
  if (head.format > FORMAT) throw new PghaulError("STATE_NEWER", `${url} was written by a newer pghaul (format ${head.format})`);
  return head;
}
