/**
 * The last door before a text leaves the process: logs, error views and JSON envelopes all pass here.
 *
 * Two nets. Patterns catch a password wherever it stands in a connection string, known or not. Registered values catch a
 * secret in any other place, such as a driver's error message that quotes what it was given.
 */
export const REDACTED = "[redacted]";

/** Shorter values would also match ordinary words ("pg", "dba") and make a message unreadable; the patterns still catch them. */
const SHORTEST_REGISTERED = 4;

const registered = new Set<string>();

/** Makes `redact` remove this value from now on, also in its URL-encoded and JSON-escaped forms. Called where a secret is loaded. */
export function registerSecret(value: string): void {
  if (value.length < SHORTEST_REGISTERED) return;
  for (const form of [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]) registered.add(form);
}

/**
 * `scheme://user:password@`, up to the last `@` of the word: an unescaped password may hold `@` and `/`, and too much is better
 * removed than too little. Digits before a `/` or `,` are a port.
 */
const URI_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@?#]*:)(?!\d+(?:[/?#,]|$))([^\s"<>]+)(@)/gi;

/** `password=x`, `password = 'it\'s'`, `?sslpassword=x&`, `"password": "x"`: libpq's two forms, query parameters and JSON. */
const KEY_VALUE =
  /((?:ssl|pg|aws_?)?(?:password|passwd|passphrase|secret(?:_?access)?(?:_?key)?|session_?token|auth_?token)["']?\s*[=:]\s*)(\[redacted\]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s&,;"'}\]]+)/gi;

/** Removes every secret that can be recognised. Idempotent; text without secrets comes back unchanged. */
export function redact(text: string): string {
  let clean = text;
  // Longest first: one secret may be the beginning of another.
  for (const secret of [...registered].sort((a, b) => b.length - a.length)) clean = clean.replaceAll(secret, REDACTED);
  return clean.replace(URI_PASSWORD, `$1${REDACTED}$3`).replace(KEY_VALUE, (_, key: string, value: string) => key + blank(value));
}

/** Keeps the quotes, so that JSON stays JSON. */
function blank(value: string): string {
  const quote = value.startsWith('"') || value.startsWith("'") ? value.charAt(0) : "";
  return quote + REDACTED + quote;
}
