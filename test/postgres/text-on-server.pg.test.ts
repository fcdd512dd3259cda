import assert from "node:assert/strict";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { connect } from "../../src/postgres/connect.ts";
import { copyFields, encodeCopyLine, parseCopyLine } from "../../src/postgres/copy-text.ts";
import { quoteIdent, quoteLiteral } from "../../src/postgres/quote.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";

/** Text that a PostgreSQL UTF8 database can hold, quotes and backslashes often. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 3 }),
      fc.constantFrom("'", '"', "\\", "E'", "$$", "--", "\n", "\t", "%", "A", "select"),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(""))
  .filter((value) => value.isWellFormed() && !value.includes("\0"));

async function copyOut(client: pg.Client, query: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(copyTo(`copy (${query}) to stdout`))) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function copyIn(client: pg.Client, table: string, lines: readonly string[]): Promise<void> {
  await pipeline([Buffer.from(lines.join(""), "latin1")], client.query(copyFrom(`copy ${table} from stdin`)));
}

for (const version of [13, 18] as const) {
  describe(`PostgreSQL ${version}`, () => {
    let server: PgServer;
    let client: pg.Client;
    before(async () => {
      server = await startServer({ version });
      const admin = await server.connect();
      await admin.query("create database bytes encoding 'SQL_ASCII' locale 'C' template template0");
      await admin.end();
      client = await connect(resolveConnection({ url: server.url() }), { side: "source", purpose: "test" });
    });
    after(async () => {
      await client.end();
      await server[Symbol.asyncDispose]();
    });

    it("quotes as quote_literal and quote_ident do", () =>
      fc.assert(
        fc.asyncProperty(text, async (value) => {
          const { rows } = await client.query("select quote_literal($1::text) as literal, quote_ident($1::text) as ident", [value]);
          const { literal, ident } = rows[0] as { literal: string; ident: string };
          assert.equal(quoteLiteral(value), literal);
          // The server leaves out quotes that it does not need.
          assert.equal(quoteIdent(value), ident.startsWith('"') ? ident : `"${ident}"`);
        }),
      ));

    it("means the same text and the same name back, whatever standard_conforming_strings says", () =>
      fc.assert(
        fc.asyncProperty(text, fc.boolean(), async (value, standard) => {
          await client.query(`set standard_conforming_strings = ${standard}`);
          // Names are cut at 63 bytes; longer ones are the server's affair.
          const name = Buffer.byteLength(value) > 63 || value === "" ? "n" : value;
          const { rows, fields } = await client.query({ text: `select ${quoteLiteral(value)} as ${quoteIdent(name)}`, rowMode: "array" });
          assert.deepEqual([rows[0]?.[0], fields[0]?.name], [value, name]);
        }),
      ));

    it("any text and any bytes go out, are read, written and come back the same", async () => {
      await client.query("create temp table t (n int primary key, a text, b bytea, c text[])");
      let n = 0;
      await fc.assert(
        fc.asyncProperty(fc.option(text), fc.uint8Array({ maxLength: 40 }), fc.array(text, { maxLength: 3 }), async (a, b, c) => {
          n++;
          await client.query("truncate t");
          await client.query("insert into t values ($1, $2, $3, $4)", [n, a, Buffer.from(b), c]);
          const out = await copyOut(client, "select * from t");
          assert.equal(out.indexOf(0x0a), out.length - 1);
          const row = parseCopyLine(out.toString("latin1"));
          assert.deepEqual(row.slice(0, 3), [
            String(n),
            a === null ? null : Buffer.from(a).toString("latin1"),
            `\\x${Buffer.from(b).toString("hex")}`,
          ]);
          assert.deepEqual(copyFields(out, 0, out.length - 1, [2, 0]), [row[2], row[0]]);
          assert.equal(encodeCopyLine(row), out.toString("latin1"));
          await client.query("create temp table if not exists u (like t)");
          await client.query("truncate u");
          await copyIn(client, "u", [encodeCopyLine(row)]);
          const { rows } = await client.query("select count(*) as same from t join u on (t.*) is not distinct from (u.*)");
          assert.deepEqual(rows, [{ same: "1" }]);
        }),
        { numRuns: 60 },
      );
    });

    it("bytes of no encoding survive in a SQL_ASCII database, each of the 255", async () => {
      const bytes = await connect(resolveConnection({ url: server.url("bytes") }), {
        side: "source",
        purpose: "test",
        settings: { client_encoding: "SQL_ASCII" },
      });
      await bytes.query("create table t (a text)");
      const values = Array.from({ length: 255 }, (_, index) => `x${String.fromCharCode(index + 1)}y`);
      await copyIn(
        bytes,
        "t",
        [...values, "\\.", "\\N", ""].map((value) => encodeCopyLine([value])),
      );
      const lines = (await copyOut(bytes, "select a from t")).toString("latin1").trimEnd().split("\n");
      assert.deepEqual(
        [...lines, ""].slice(0, 258).map((line) => parseCopyLine(line)[0]),
        [...values, "\\.", "\\N", ""],
      );
      await bytes.end();
    });

    it("reads each escape as the server does", async () => {
      await client.query("create temp table e (a text)");
      const raw = [
        "\\b\\f\\n\\r\\t\\v\\\\",
        "\\101",
        "\\60x",
        "\\1234",
        "\\x41",
        "\\x4g",
        "\\x414",
        "\\xyz",
        "\\q",
        "\\N\\N",
        "\\\\N",
        "\\N",
        "",
        "\\8",
      ];
      await copyIn(
        client,
        "e",
        raw.map((line) => `${line}\n`),
      );
      const { rows } = await client.query({ text: "select a from e", rowMode: "array" });
      assert.deepEqual(
        raw.map((line) => parseCopyLine(line)),
        rows,
      );
    });
  });
}
