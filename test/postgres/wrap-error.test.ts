import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { inspect } from "node:util";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { isRetried } from "../../src/errors/policy.ts";
import { asPghaulError, sqlState } from "../../src/postgres/wrap-error.ts";

const server = (code: string, message = "message", fields: Record<string, string> = {}) =>
  Object.assign(new Error(message), { code, severity: "ERROR", ...fields });
const node = (code: string, fields: Record<string, string> = {}) => Object.assign(new Error(`node ${code}`), { code, ...fields });

describe("codes", () => {
  const cases: readonly [string, unknown, string][] = [
    ["wrong password", server("28P01"), "AUTH"],
    ["pg_hba.conf", server("28000"), "AUTH"],
    ["no privilege", server("42501"), "PRIVILEGE"],
    ["starting up", server("57P03"), "UNREACHABLE"],
    ["too many connections", server("53300"), "UNREACHABLE"],
    ["shutdown", server("57P01"), "LOST"],
    ["crash of another backend", server("57P02"), "LOST"],
    ["database dropped", server("57P04"), "LOST"],
    ["idle session timeout", server("57P05"), "LOST"],
    ["idle in transaction timeout", server("25P03"), "LOST"],
    ["connection failure", server("08006"), "LOST"],
    ["protocol violation that ends the session", server("08P01", "m", { severity: "FATAL" }), "LOST"],
    ["protocol violation of one message", server("08P01"), "QUERY"],
    ["canceled", server("57014"), "QUERY"],
    ["no such database", server("3D000"), "QUERY"],
    ["disk full", server("53100"), "QUERY"],
    ["read only", server("25006"), "QUERY"],
    ["lock timeout", server("55P03"), "QUERY"],
    ["refused", node("ECONNREFUSED", { syscall: "connect" }), "UNREACHABLE"],
    ["no socket there", node("ENOENT", { syscall: "connect" }), "UNREACHABLE"],
    ["timeout of connecting", node("ETIMEDOUT", { syscall: "connect" }), "UNREACHABLE"],
    ["timeout of a connection", node("ETIMEDOUT", { syscall: "read" }), "LOST"],
    ["unknown name", node("ENOTFOUND"), "UNREACHABLE"],
    ["resolver down", node("EAI_AGAIN"), "UNREACHABLE"],
    ["reset", node("ECONNRESET"), "LOST"],
    ["broken pipe", node("EPIPE"), "LOST"],
    ["closed without a word", new Error("Connection terminated unexpectedly"), "LOST"],
    ["queried after a loss", new Error("Client has encountered a connection error and is not queryable"), "LOST"],
    ["queried after the end", new Error("Client was closed and is not queryable"), "LOST"],
    ["self-signed certificate", node("DEPTH_ZERO_SELF_SIGNED_CERT"), "AUTH"],
    ["unknown authority", node("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "AUTH"],
    ["certificate of another host", node("ERR_TLS_CERT_ALTNAME_INVALID"), "AUTH"],
    ["expired certificate", node("CERT_HAS_EXPIRED"), "AUTH"],
    ["no TLS at the server", new Error("The server does not support SSL connections"), "AUTH"],
    ["SASL", new Error("SASL: SCRAM-SERVER-FINAL-MESSAGE: server signature does not match"), "AUTH"],
    ["several addresses", new AggregateError([node("ECONNREFUSED", { syscall: "connect" }), new Error("x")]), "UNREACHABLE"],
    ["anything else", new TypeError("x is not a function"), "QUERY"],
    ["no error at all", "text", "QUERY"],
    ["nothing", undefined, "QUERY"],
  ];
  for (const [title, error, fault] of cases) {
    it(`${title}: ${fault}`, () => {
      assert.equal(asPghaulError(error, "source").code, `SOURCE_${fault}`);
      assert.equal(asPghaulError(error, "target").code, `TARGET_${fault}`);
      assert.equal(isRetried(asPghaulError(error, "source")), fault === "LOST" || fault === "UNREACHABLE");
    });
  }
  it("an abort is an interruption", () =>
    assert.equal(asPghaulError(new DOMException("stop", "AbortError"), "source").code, "INTERRUPTED"));
  it("passes a PghaulError through", () => {
    const error = new PghaulError("SLOT_LOST", "gone");
    assert.equal(asPghaulError(error, "target", { table: "t" }), error);
  });
});

describe("what is kept of a server's error", () => {
  it("SQLSTATE, constraint, table; the caller's context wins", () => {
    const error = server("23505", 'duplicate key value violates unique constraint "orders_pkey"', {
      schema: "public",
      table: "orders",
      constraint: "orders_pkey",
    });
    assert.deepEqual(asPghaulError(error, "target", { chunk: 7 }).context, {
      table: "public.orders",
      constraint: "orders_pkey",
      chunk: 7,
      sqlstate: "23505",
    });
    assert.equal(asPghaulError(error, "target", { table: "sales.orders" }).context.table, "sales.orders");
  });
  it("line and column of a COPY", () => {
    const { context } = asPghaulError(
      server("22P02", 'invalid input syntax for type integer: "x"', { where: 'COPY orders, line 12, column id: "x"' }),
      "target",
    );
    assert.deepEqual(context, { copyLine: "12", column: "id", sqlstate: "22P02" });
  });
  it("a hint, where there is no better advice", () => {
    assert.equal(asPghaulError(server("42883", "m", { hint: "cast it" }), "source").suggestion, "cast it");
    assert.match(asPghaulError(server("25006", "m", { hint: "h" }), "source").suggestion ?? "", /target_session_attrs=primary/);
  });

  for (const error of [
    server("23505", 'duplicate key value violates unique constraint "k"', { detail: "Key (card)=(4111-secret) already exists." }),
    server("23502", 'null value in column "a"', { detail: "Failing row contains (4111-secret, null)." }),
    server("22P02", 'invalid input syntax for type integer: "4111-secret"'),
    server("22003", 'value "4111-secret" is out of range for type integer'),
    server("22007", 'invalid input syntax for type date: "a "4111-secret" b"'),
    server("22007", "ungültige Eingabesyntax für Typ date: „4111-secret“"),
    server("22P02", "invalid input", { where: 'COPY t, line 1, column a: "4111-secret"' }),
    server("22P02", "invalid input syntax for type json", {
      detail: 'Token "4111-secret" is invalid.',
      where: "JSON data, line 1: 4111-secret",
    }),
  ]) {
    it(`no row's value: ${error.message}`, () => {
      const wrapped = asPghaulError(error, "target");
      assert.ok(!inspect(wrapped, { depth: 9 }).includes("4111-secret"), inspect(wrapped));
      assert.ok(!(wrapped.stack ?? "").includes("4111-secret"));
    });
  }
});

it("sqlState reads both", () => {
  assert.equal(sqlState(server("40001")), "40001");
  assert.equal(sqlState(asPghaulError(server("40001"), "source")), "40001");
  for (const other of [node("EPIPE"), new PghaulError("BUG", "b"), null, undefined, "40001"]) assert.equal(sqlState(other), undefined);
});

test("a label that an enum lacks is named with the statement that makes it; a value of a row is not", () => {
  const label = asPghaulError(server("22P02", 'invalid input value for enum shop.mood: "it\'s "fine""', { routine: "enum_in" }), "target");
  assert.equal(label.message, 'invalid input value for enum shop.mood: "it\'s "fine""');
  assert.equal(label.suggestion, "alter type shop.mood add value 'it''s \"fine\"';");
  const value = asPghaulError(
    server("22P02", 'invalid input syntax for type integer: "4111-secret"', { routine: "pg_strtoint32_safe" }),
    "target",
  );
  assert.doesNotMatch(value.message + value.suggestion, /4111/);
});

test("a character that an encoding lacks is told by its bytes, with both encodings", () => {
  const message = 'character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"';
  const error = asPghaulError(server("22P05", message), "source");
  assert.equal(error.message, message);
  assert.match(error.suggestion ?? "", /UTF8/);
});
