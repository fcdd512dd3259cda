/** The bucket over AWS's own SDK, which is loaded only where a bucket is configured. */
import type { S3Client } from "@aws-sdk/client-s3";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Bucket, BucketSettings, ListedObject, StoredObject } from "./bucket.ts";
import { bucketError, statusOf } from "./bucket-error.ts";

/** A 409 means that two conditional writes met (S3 API reference, PutObject): neither need have won, so ours is made again. */
const CONFLICTS = 8;
const CONFLICT_MILLIS = 50;
const CONNECT_MILLIS = 5_000;
/** Of silence; a slow upload goes on. */
const SILENT_MILLIS = 20_000;

type Sdk = typeof import("@aws-sdk/client-s3");

/** Asks nothing yet. `migration` ends the prefix, so that several may share one. */
export async function openBucket(settings: BucketSettings, migration: string): Promise<OpenBucket> {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client({
    ...(settings.region === null ? (settings.endpoint === null ? {} : { region: "us-east-1" }) : { region: settings.region }),
    ...(settings.endpoint === null ? {} : { endpoint: settings.endpoint }),
    forcePathStyle: settings.pathStyle,
    requestHandler: { connectionTimeout: CONNECT_MILLIS, requestTimeout: SILENT_MILLIS, throwOnRequestTimeout: true },
  });
  noteServerTime(client);
  return new S3Bucket(sdk, client, settings, migration);
}

export interface OpenBucket extends Bucket {
  readonly settings: BucketSettings;
  readonly client: S3Client;
  readonly sdk: Sdk;
  close(): void;
}

class S3Bucket implements OpenBucket {
  readonly url: string;
  readonly sdk: Sdk;
  readonly client: S3Client;
  readonly settings: BucketSettings;
  readonly #root: string;

  /** Use `openBucket`. */
  constructor(sdk: Sdk, client: S3Client, settings: BucketSettings, migration: string) {
    this.sdk = sdk;
    this.client = client;
    this.settings = settings;
    this.#root = [settings.prefix, migration, ""].filter((part, index) => part !== "" || index === 2).join("/");
    this.url = `s3://${settings.bucket}/${this.#root}`.replace(/\/$/, "");
  }

  get(key: string, signal?: AbortSignal): Promise<StoredObject | null> {
    return this.#ask(`read ${key}`, signal, async () => {
      try {
        const answer = await this.client.send(
          new this.sdk.GetObjectCommand({ ...this.#at(key), ChecksumMode: "ENABLED" }),
          options(signal),
        );
        const body = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
        if (answer.ContentLength !== undefined && body.length !== answer.ContentLength) throw new Error("the answer was cut off");
        return { body, etag: answer.ETag ?? "", ageMillis: age(answer) };
      } catch (error) {
        if (error instanceof this.sdk.NoSuchKey) return null;
        throw error;
      }
    });
  }

  create(key: string, body: Buffer, signal?: AbortSignal): Promise<boolean> {
    return this.#ask(`write ${key}`, signal, async () => {
      for (let tries = 1; ; tries += 1) {
        const answer = await this.#put(key, body, { IfNoneMatch: "*" }, signal);
        if (typeof answer === "string") return true;
        const known = await this.get(key, signal);
        if (known !== null) return known.body.equals(body);
        // Refused for an object that is not there: a writer that met us and lost as well, or one that was removed since.
        await this.#pause(tries, key, signal);
      }
    });
  }

  replace(key: string, body: Buffer, etag: string, signal?: AbortSignal): Promise<string | null> {
    return this.#ask(`replace ${key}`, signal, async () => {
      for (let tries = 1; ; tries += 1) {
        const answer = await this.#put(key, body, { IfMatch: etag }, signal);
        if (typeof answer === "string") return answer;
        const known = await this.get(key, signal);
        // Ours after all: the answer to the first try was lost, and the second found the ETag changed.
        if (known?.body.equals(body)) return known.etag;
        if (known?.etag !== etag) return null;
        await this.#pause(tries, key, signal);
      }
    });
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ListedObject> {
    for (let token: string | undefined; ; ) {
      const from = token;
      const page = await this.#ask(`list ${prefix}`, signal, () =>
        this.client.send(
          new this.sdk.ListObjectsV2Command({
            Bucket: this.settings.bucket,
            Prefix: this.#root + prefix,
            ...(from === undefined ? {} : { ContinuationToken: from }),
          }),
          options(signal),
        ),
      );
      for (const { Key = "", Size = 0 } of page.Contents ?? []) yield { key: Key.slice(this.#root.length), bytes: Size };
      token = page.NextContinuationToken;
      if (page.IsTruncated !== true || token === undefined) return;
    }
  }

  remove(key: string): Promise<void> {
    return this.#ask(`remove ${key}`, undefined, async () => {
      await this.client.send(new this.sdk.DeleteObjectCommand(this.#at(key)));
    });
  }

  close(): void {
    this.client.destroy();
  }

  /** The new ETag, or the status of a condition that did not hold. */
  async #put(key: string, body: Buffer, condition: object, signal?: AbortSignal): Promise<string | number> {
    const { kmsKey } = this.settings;
    const sealed = kmsKey === null ? {} : ({ ServerSideEncryption: "aws:kms", SSEKMSKeyId: kmsKey } as const);
    try {
      const { ETag = "" } = await this.client.send(
        new this.sdk.PutObjectCommand({ ...this.#at(key), ...sealed, ...condition, Body: body }),
        options(signal),
      );
      return ETag;
    } catch (error) {
      const status = statusOf(error);
      // 404: If-Match on an object that is gone.
      if (status === 412 || status === 409 || (status === 404 && error instanceof this.sdk.NoSuchKey)) return status;
      throw error;
    }
  }

  async #pause(tries: number, key: string, signal?: AbortSignal): Promise<void> {
    if (tries >= CONFLICTS) {
      throw new PghaulError("BUCKET_UNREACHABLE", `${this.url}: ${CONFLICTS} conditional writes of ${key} met others in a row`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, CONFLICT_MILLIS * tries * (0.5 + Math.random()));
    await promise;
    signal?.throwIfAborted();
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.settings.bucket, Key: this.#root + key };
  }

  async #ask<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw bucketError(error, what, this.url);
    }
  }
}

function options(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** By the server's clock alone. */
function age({ LastModified, $metadata }: { readonly LastModified?: Date | undefined; readonly $metadata: object }): number {
  const { servedAt } = $metadata as { servedAt?: number };
  return LastModified === undefined || servedAt === undefined ? 0 : Math.max(0, servedAt - LastModified.getTime());
}

/** The SDK keeps no header of an answer but those of its own model: the server's Date is put beside what it knows of the request. */
function noteServerTime(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Readonly<Record<string, string>> };
      const servedAt = Date.parse(headers?.date ?? "");
      if (!Number.isNaN(servedAt) && result.output !== undefined) Object.assign(result.output.$metadata, { servedAt });
      return result;
    },
    { step: "deserialize", priority: "high", name: "noteServerTime" },
  );
}
