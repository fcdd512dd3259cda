import { PghaulError } from "../errors/pghaul-error.ts";

interface ServiceError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The HTTP status of an answer; undefined where there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as ServiceError | null)?.$metadata?.httpStatusCode;
}

/** What a server or the network says about a request, as an error of ours. An abort comes back as it was. */
export function bucketError(error: unknown, what: string, url: string): unknown {
  if (error instanceof PghaulError || (error as ServiceError).name === "AbortError") return error;
  const { name, message, code } = error as ServiceError;
  const status = statusOf(error);
  const said = [code ?? name, status === undefined ? null : `HTTP ${status}`, message].filter(Boolean).join(", ");
  const context = { bucket: url, ...(status === undefined ? {} : { status }) };
  if (isFinal(status, name)) return new PghaulError("BUCKET_REFUSED", `${url} refused to ${what}: ${said}`, { cause: error, context });
  return new PghaulError("BUCKET_UNREACHABLE", `${url} did not answer to ${what}: ${said}`, { cause: error, context });
}

/** A 4xx says that the request is at fault, but for those that mean "later", and a body that was cut on its way. */
function isFinal(status: number | undefined, name = ""): boolean {
  if (name === "CredentialsProviderError") return true;
  if (status === undefined || status < 400 || status >= 500) return status === 501;
  const later = [408, 409, 425, 429].includes(status) || ["RequestTimeout", "IncompleteBody", "BadDigest", "InvalidDigest"].includes(name);
  return !later;
}
