import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeMessage } from "../../src/pgoutput/decode.ts";
import { parseCopyLine } from "../../src/postgres/copy-text.ts";
import { readTables } from "../../src/source/catalog.ts";
import { openSourceReader } from "../../src/source/source-reader.ts";
import { startServer } from "../support/pg-server.ts";
import { firstLeaf } from "./read-all.ts";
import { sessionsAt } from "./source-session.ts";

/** The key's type, and values whose text depends on settings, on escapes or on scale. */
const KEYS: [string, string[]][] = [
  ["numeric", ["1.0", "1.00e2", "-0.000001", "NaN"]],
  ["numeric(12,2)", ["1", "2.5"]],
  ["double precision", ["0.1", "1e300", "-0", "infinity"]],
  ["timestamptz", ["2024-02-29 12:00:00.123456+05:30", "infinity", "0044-03-15 00:00 BC"]],
  ["interval", ["1 mon 2 days -03:04:05.6"]],
  ["bytea", ["\\x005c0a09", "\\x"]],
  ["character(5)", ["ab", "äö"]],
  ["text", ["tab\tin", "line\nbreak", "back\\slash", "\\N", "", "日本 🐘", "\u0001\u007f"]],
  ["uuid", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]],
  ["inet", ["10.0.0.1/32", "::1"]],
  ["integer[]", ["{1,NULL,3}", "{}"]],
  ["jsonb", ['{"b": 1.10, "a": "\\\\ \\u00e9"}']],
  ['"char"', ["x"]],
  ["boolean", ["true"]],
];

for (const version of [13, 18] as const) {
  test(`on PostgreSQL ${version} a key's text is the same in a chunk and in the stream, and finds its row`, async () => {
    await using server = await startServer({ version });
    const client = await sessionsAt(server.url())("key text");
    for (const [index, [type]] of KEYS.entries()) await client.query(`create table k${index} (id ${type} primary key)`);
    await client.query("create publication p for all tables");
    await client.query("select pg_create_logical_replication_slot('s', 'pgoutput')");
    for (const [index, [, values]] of KEYS.entries())
      for (const value of values) await client.query(`insert into k${index} values ($1)`, [value]);
    const streamed = new Map<string, string[]>();
    const relations = new Map<number, string>();
    const { rows } = await client.query<{ data: string }>(
      "select data::text from pg_logical_slot_peek_binary_changes('s', null, null, 'proto_version', '1', 'publication_names', 'p')",
    );
    for (const { data } of rows) {
      const bytes = Buffer.from(data.slice(2), "hex");
      const message = decodeMessage(bytes, 0, bytes.length, 0n);
      if (message.kind === "relation") relations.set(message.oid, message.name);
      if (message.kind !== "insert") continue;
      const name = relations.get(message.relation) ?? "";
      streamed.set(name, [...(streamed.get(name) ?? []), String(message.row[0])]);
    }
    const tables = await readTables(client, { include: ["public.*"], exclude: [] });
    const signal = new AbortController().signal;
    const reader = openSourceReader({ side: "source", connect: sessionsAt(server.url()), tables, workers: 1, signal });
    for (const [index, [type, values]] of KEYS.entries()) {
      const table = tables.find(({ name }) => name === `k${index}`);
      assert.ok(table);
      const texts = async (lines: Iterable<Uint8Array>) =>
        Buffer.concat([...lines])
          .toString("latin1")
          .split("\n")
          .slice(0, -1)
          .map((line) => parseCopyLine(line)[0] ?? "");
      const chunk = await reader.readChunk(table, firstLeaf(table), { millis: 10_000, bytes: 1e6 }, signal);
      const copied = await texts(chunk.rows.copyText());
      assert.equal(copied.length, values.length, type);
      assert.deepEqual(copied.toSorted(), streamed.get(table.name)?.toSorted(), type);
      const found = await reader.readKeys(
        table,
        copied.map((key) => [key]),
        signal,
      );
      assert.deepEqual((await texts(found.rows.copyText())).toSorted(), copied.toSorted(), type);
      const { taken, rest } = chunk.rows.take([0], new Set(copied.slice(0, 1)));
      assert.deepEqual(taken, [[copied[0]]]);
      assert.deepEqual(await texts(rest.copyText()), copied.slice(1));
    }
    await reader.close();
    await client.end();
  });
}
