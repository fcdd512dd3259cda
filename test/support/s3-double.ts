/**
 * A strict S3 in this process, for AWS's own SDK: it refuses what S3 refuses, and what it does not know. Faults are told to it: a 409 that S3
 * gives to writes that meet, an answer that is lost after the write was done, a body that is cut, a server that is away.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { crc32 } from "node:zlib";

interface Stored {
  readonly body: Buffer;
  readonly etag: string;
  readonly modified: number;
}

export interface DoubleRequest {
  readonly method: string;
  readonly key: string;
}

/** `conflict`: HTTP 409, nothing done. `lost-answer`: done, then the connection is cut. `cut-body`: half of the answer. `refuse`: HTTP 403. */
export type Fault = "conflict" | "lost-answer" | "cut-body" | "away" | "refuse" | { readonly delayMillis: number };

const SUBRESOURCES = ["versioning", "encryption", "publicAccessBlock", "lifecycle"] as const;
/** Small, so that every list is paged. */
const PAGE = 3;

export class S3Double implements AsyncDisposable {
  readonly objects = new Map<string, Stored>();
  readonly requests: DoubleRequest[] = [];
  /** Asked for every request; null for none. */
  fault: (request: DoubleRequest) => Fault | null = () => null;
  /** Milliseconds that the server's clock is ahead. */
  clockAhead = 0;
  /** False: a server that takes the header and ignores it, as older S3-compatible ones do. */
  honoursConditions = true;
  /** XML of a bucket's subresources; what is not here answers as S3 does where nothing is set. */
  readonly settings = new Map<string, string>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<S3Double> {
    const double = new S3Double();
    await new Promise<void>((resolve) => double.#server.listen(0, "127.0.0.1", resolve));
    return double;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What the SDK finds in the environment. */
  get environment(): Readonly<Record<string, string>> {
    return { AWS_ACCESS_KEY_ID: "double", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://double");
    const [, bucket = "", ...rest] = decodeURIComponent(url.pathname).split("/");
    const asked = { method: request.method ?? "", key: rest.join("/") };
    this.requests.push(asked);
    const fault = this.fault(asked);
    if (fault === "away") {
      request.socket.destroy();
      return;
    }
    const body = await read(request).catch(() => null);
    if (body === null) return;
    if (fault !== null && typeof fault === "object") await new Promise((resolve) => setTimeout(resolve, fault.delayMillis));
    const { status, headers, content } = refusal(request, bucket, fault) ?? this.#answer(request, url, { key: asked.key, body });
    if (fault === "lost-answer") {
      request.socket.destroy();
      return;
    }
    response.writeHead(status, { ...headers, Date: this.#date(Date.now()), "Content-Length": content.length });
    if (fault === "cut-body") response.write(content.subarray(0, content.length >> 1), () => response.destroy());
    else response.end(content);
  }

  #answer(request: IncomingMessage, url: URL, { key, body }: { readonly key: string; readonly body: Buffer }): Answer {
    if (key === "" && request.method === "GET") return this.#bucket(url);
    if (key === "" && request.method === "HEAD") return ok({ "x-amz-bucket-region": "us-east-1" });
    if (request.method === "PUT") return this.#put(request, key, body);
    if (request.method === "DELETE") {
      this.objects.delete(key);
      return { ...ok({}), status: 204 };
    }
    if (request.method !== "GET") return refuse(501, "NotImplemented");
    const found = this.objects.get(key);
    if (found === undefined) return refuse(404, "NoSuchKey");
    return { ...ok({ ETag: found.etag, "Last-Modified": new Date(found.modified).toUTCString() }), content: found.body };
  }

  #put(request: IncomingMessage, key: string, framed: Buffer): Answer {
    const body = request.headers["content-encoding"] === "aws-chunked" ? unframe(framed) : framed;
    const wanted = Number(request.headers["x-amz-decoded-content-length"] ?? request.headers["content-length"]);
    if (body === null || body.length !== wanted) return refuse(400, "IncompleteBody");
    const sent = request.headers["x-amz-checksum-crc32"];
    if (sent !== undefined && sent !== checksum(body)) return refuse(400, "BadDigest");
    const refused = this.honoursConditions ? this.#condition(request, this.objects.get(key)) : null;
    if (refused !== null) return refused;
    const etag = `"${createHash("md5").update(body).digest("hex")}"`;
    this.objects.set(key, { body, etag, modified: Date.now() + this.clockAhead });
    return ok({ ETag: etag });
  }

  #condition({ headers }: IncomingMessage, found: Stored | undefined): Answer | null {
    const { "if-none-match": none, "if-match": match } = headers;
    if (none !== undefined && none !== "*") return refuse(501, "NotImplemented");
    if (none === "*" && found !== undefined) return refuse(412, "PreconditionFailed");
    if (match !== undefined && found === undefined) return refuse(404, "NoSuchKey");
    return match !== undefined && match !== found?.etag ? refuse(412, "PreconditionFailed") : null;
  }

  #bucket(url: URL): Answer {
    const named = SUBRESOURCES.find((name) => url.searchParams.has(name));
    if (named !== undefined) return this.#setting(named);
    if (url.searchParams.get("list-type") !== "2") return refuse(501, "NotImplemented");
    const prefix = url.searchParams.get("prefix") ?? "";
    const after = url.searchParams.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, PAGE);
    const items = page.map((key) => `<Contents><Key>${key}</Key><Size>${this.objects.get(key)?.body.length}</Size></Contents>`).join("");
    const next = keys.length > PAGE ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    return xml(200, `<ListBucketResult><IsTruncated>${keys.length > PAGE}</IsTruncated>${next}${items}</ListBucketResult>`);
  }

  #setting(name: (typeof SUBRESOURCES)[number]): Answer {
    const set = this.settings.get(name);
    if (set !== undefined) return xml(200, set);
    if (name === "versioning") return xml(200, "<VersioningConfiguration/>");
    if (name === "encryption") return refuse(404, "ServerSideEncryptionConfigurationNotFoundError");
    return refuse(404, name === "lifecycle" ? "NoSuchLifecycleConfiguration" : "NoSuchPublicAccessBlockConfiguration");
  }

  #date(millis: number): string {
    return new Date(millis + this.clockAhead).toUTCString();
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly content: Buffer;
}

function ok(headers: Answer["headers"]): Answer {
  return { status: 200, headers, content: Buffer.alloc(0) };
}

function xml(status: number, text: string): Answer {
  return { status, headers: { "Content-Type": "application/xml" }, content: Buffer.from(text) };
}

function refuse(status: number, code: string): Answer {
  return xml(status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

/** What is refused before anything is looked at. */
function refusal({ headers }: IncomingMessage, bucket: string, fault: Fault | null): Answer | null {
  if (fault === "conflict") return refuse(409, "ConditionalRequestConflict");
  if (fault === "refuse") return refuse(403, "AccessDenied");
  if (bucket !== "bucket") return refuse(404, "NoSuchBucket");
  return /^AWS4-HMAC-SHA256 Credential=double\//.test(headers.authorization ?? "") ? null : refuse(403, "InvalidAccessKeyId");
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** `SIZE;...\r\nDATA\r\n0\r\ntrailers`; null where the frames do not fit. */
function unframe(framed: Buffer): Buffer | null {
  const pieces: Buffer[] = [];
  for (let at = 0; at < framed.length; ) {
    const line = framed.indexOf("\r\n", at);
    if (line < 0) return null;
    const size = Number.parseInt(framed.toString("latin1", at, line), 16);
    if (size === 0) return Buffer.concat(pieces);
    pieces.push(framed.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return null;
}

function checksum(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString("base64");
}
