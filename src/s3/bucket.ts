/**
 * What pghaul asks of a bucket, S3 or compatible. Two writes only, and both are conditional: an object is created once and never changed, or
 * replaced by who has seen its last version. Reads and lists see every write that was answered (S3 has promised that since December 2020).
 *
 * Every method throws BUCKET_UNREACHABLE where nothing is known of the outcome and the same call may be made again, BUCKET_REFUSED where
 * asking again is of no use (no such bucket, no permission, no conditional writes).
 */
export interface Bucket {
  /** `s3://BUCKET/PREFIX/MIGRATION`, for people. */
  readonly url: string;
  /** Null where there is no such object. */
  get(key: string, signal?: AbortSignal): Promise<StoredObject | null>;
  /**
   * Writes an object that is not there yet (`If-None-Match: *`). True also where it is there with the same content, which is what a lost answer
   * leaves behind; false where it holds something else.
   */
  create(key: string, body: Buffer, signal?: AbortSignal): Promise<boolean>;
  /** Replaces the version `etag` (`If-Match`) and returns the new ETag; null where the object is another's by now. `body` must be unlike any other. */
  replace(key: string, body: Buffer, etag: string, signal?: AbortSignal): Promise<string | null>;
  /** Every object whose key begins with `prefix`, in the order of keys. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ListedObject>;
  /** No error where it is not there. */
  remove(key: string): Promise<void>;
}

export interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  /** Milliseconds since the last write, by the server's own clock alone: no machine's clock is compared with another's. */
  readonly ageMillis: number;
}

export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
}

/** The configuration's keys under `state`. */
export interface BucketSettings {
  readonly bucket: string;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
  readonly endpoint: string | null;
  readonly region: string | null;
  readonly pathStyle: boolean;
  /** A key of AWS KMS that objects are encrypted with; null leaves it to the bucket's default. */
  readonly kmsKey: string | null;
}
