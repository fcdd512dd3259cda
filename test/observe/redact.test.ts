import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonText } from "../../src/observe/json-text.ts";
import { createLogger } from "../../src/observe/log.ts";
import { redact, registerSecret } from "../../src/observe/redact.ts";

/** Texts that carry the canary, and what must be left of them. */
const CANARY = "s3cr3t-CANARY";
const CASES: readonly (readonly [text: string, clean: string])[] = [
  [`postgresql://app:${CANARY}@db:5432/orders`, "postgresql://app:[redacted]@db:5432/orders"],
  [
    `postgres://app:${CANARY}@[::1]:5432,b:5433/orders?sslmode=require`,
    "postgres://app:[redacted]@[::1]:5432,b:5433/orders?sslmode=require",
  ],
  [`https://key:${CANARY}@s3.example/bucket`, "https://key:[redacted]@s3.example/bucket"],
  [`postgresql://app:p@ss@${CANARY}@db/orders`, "postgresql://app:[redacted]@db/orders"],
  [
    `postgresql://db/orders?user=app&password=${CANARY}&sslmode=require`,
    "postgresql://db/orders?user=app&password=[redacted]&sslmode=require",
  ],
  [`host=db password=${CANARY} user=app`, "host=db password=[redacted] user=app"],
  [`host=db password = '${CANARY} with \\' quote' user=app`, "host=db password = '[redacted]' user=app"],
  [`host=db sslpassword=${CANARY}`, "host=db sslpassword=[redacted]"],
  [`PGPASSWORD=${CANARY} psql`, "PGPASSWORD=[redacted] psql"],
  [`AWS_SECRET_ACCESS_KEY=${CANARY}`, "AWS_SECRET_ACCESS_KEY=[redacted]"],
  [`{"password":"${CANARY}","user":"app"}`, '{"password":"[redacted]","user":"app"}'],
  [`passwd: ${CANARY}`, "passwd: [redacted]"],
];

for (const [text, clean] of CASES) {
  test(`redacts ${clean}`, () => {
    assert.equal(redact(text), clean);
    assert.equal(redact(clean), clean, "a second time changes nothing");
  });
}

test("leaves alone what holds no secret", () => {
  for (const text of [
    "postgresql://app@db:5432/orders",
    "postgresql://db/orders?sslmode=require",
    "http://localhost:8080/path:with:colons@here",
    "the password of app was refused",
    'password authentication failed for user "app"',
    "lag 12 MB, 3 of 17 tables",
    "2026-11-20T10:00:00.000Z info chunk_done table=public.orders",
  ]) {
    assert.equal(redact(text), text);
  }
});

test("a registered secret is removed wherever it stands, in its encoded forms too", () => {
  const secret = 'pa"ss word/ü%7431';
  registerSecret(secret);
  assert.equal(redact(`server said: ${secret}!`), "server said: [redacted]!");
  assert.equal(redact(`at postgresql://h/?x=${encodeURIComponent(secret)}`), "at postgresql://h/?x=[redacted]");
  assert.equal(redact(JSON.stringify({ note: secret })), '{"note":"[redacted]"}');
});

test("of two registered secrets the longer is removed whole", () => {
  registerSecret("canary-short");
  registerSecret("canary-short-and-long");
  assert.equal(redact("x canary-short-and-long y"), "x [redacted] y");
});

test("a registered value of three characters does not blank ordinary words", () => {
  registerSecret("dba");
  assert.equal(redact("the dba team"), "the dba team");
});

test("any password in a URI is gone, as libpq would read it", () => {
  const password = fc.string({ minLength: 1, maxLength: 20 }).map((text) => `canary${encodeURIComponent(text)}`);
  fc.assert(fc.property(password, (text) => !redact(`postgresql://app:${text}@db/orders`).includes(text)));
});

test("JSON: bigints as strings, secrets gone by key and by content, still JSON", () => {
  const value = {
    rows: 2n ** 63n,
    password: CANARY,
    apiToken: CANARY,
    nested: [{ url: `postgresql://a:${CANARY}@h/d` }],
    at: new Date(0),
    none: null,
  };
  assert.deepEqual(JSON.parse(jsonText(value)), {
    rows: "9223372036854775808",
    password: "[redacted]",
    apiToken: "[redacted]",
    nested: [{ url: "postgresql://a:[redacted]@h/d" }],
    at: "1970-01-01T00:00:00.000Z",
    none: null,
  });
});

test("every log line passes here, in both formats", () => {
  for (const format of ["text", "json"] as const) {
    const lines: string[] = [];
    const logger = createLogger({
      level: "debug",
      format,
      write: (line) => void lines.push(line),
      fields: { url: `postgresql://a:${CANARY}@h/d` },
    });
    logger.error("connect_failed", { error: `password=${CANARY}`, detail: `said "password=${CANARY}"` });
    logger.child({ passphrase: CANARY }).debug("event");
    assert.equal(lines.length, 2);
    assert.doesNotMatch(lines.join(""), new RegExp(CANARY), format);
  }
});
