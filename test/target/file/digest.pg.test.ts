import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, describe, test } from "node:test";
import { createGunzip } from "node:zlib";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import type { WholeRead } from "../../../src/engine/ports.ts";
import type { Table } from "../../../src/model/table.ts";
import { displayText, type Row, toByteText } from "../../../src/model/value.ts";
import { PostgresOrigin } from "../../../src/side/postgres/compare/postgres-sides.ts";
import { readTables } from "../../../src/source/catalog.ts";
import { openSourceReader } from "../../../src/source/source-reader.ts";
import { FileReplica } from "../../../src/target/file/file-replica.ts";
import type { FileVersionTarget } from "../../../src/target/file/file-version-target.ts";
import { LARGE, NEVER } from "../../source/read-all.ts";
import { sessionsAt } from "../../source/source-session.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { createTypesSchema } from "../../support/types-schema.ts";
import { append, OWNER, openTarget, TemporaryDirectory } from "./bench.ts";

const KINDS = [
  { version: 18, format: "parquet", compression: "zstd" },
  { version: 13, format: "copy", compression: "zstd" },
  { version: 18, format: "csv", compression: "gzip" },
] as const;

for (const { version, format, compression } of KINDS) {
  describe(`every type, from PostgreSQL ${version} into ${format}`, () => {
    let server: PgServer;
    let client: pg.Client;
    let tables: Table[];
    const directory = new TemporaryDirectory();
    const sleep = () => Promise.resolve();

    before(async () => {
      server = await startServer({ version });
      client = await sessionsAt(server.url())("files test");
      await createTypesSchema(client, { hugeRowBytes: 3_000_000, wideColumns: 200 });
      await client.query("create table types.bag_of (a numeric, b text); alter table types.bag_of replica identity full");
      await client.query("insert into types.bag_of values (1.10, 'x'), (1.10, 'x'), (null, ''), (null, null)");
      const all = await readTables(client, { include: ["*.*"], exclude: [] });
      // Files hold what is copied and streamed; what is computed from it is not compared.
      tables = all.map(({ computed: _, ...table }) => table);
      const reader = openSourceReader({ side: "source", connect: sessionsAt(server.url()), tables, workers: 2, signal: NEVER });
      const target = await openTarget(directory.path, { owner: { ...OWNER, format, compression } });
      let chunk = 0;
      for (const table of tables) chunk = await loadTable({ target, reader, table }, chunk);
      await append(target, { tables, from: 1n, to: 1n << 60n, pieces: [] });
      for (const table of tables) await target.publish(table, 1n << 60n);
      await reader.close();
    });
    after(async () => {
      await client?.end();
      await server?.[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    });

    test("digests, buckets, hashes and rows are the server's", async () => {
      const origin = new PostgresOrigin({ side: "source", connect: sessionsAt(server.url()), sleep });
      const replica = new FileReplica({
        ...{ directory: directory.path, scratch: directory.path },
        startWait: () => async (readPosition) => assert.notEqual(await readPosition(), null),
      });
      let compared = 0;
      for (const table of tables) {
        const { snapshot: left } = await origin.open(table, NEVER);
        const { snapshot: right } = await replica.openAt(table, 1n, NEVER);
        assert.deepEqual(await right.digest(null), await left.digest(null), table.id);
        const buckets = await left.buckets(null);
        assert.deepEqual(sortedEntries(await right.buckets(null)), sortedEntries(buckets), table.id);
        const some = [...buckets.keys()].slice(0, 5);
        if (some.length > 0)
          assert.deepEqual(sorted(await right.rowHashes(null, some)), sorted(await left.rowHashes(null, some)), table.id);
        if (table.key !== null) {
          const keys = (await right.rowHashes(null, some.length > 0 ? some : [0])).map(({ key }) => key).filter(isText);
          assert.deepEqual(decodedRows(await right.rows(keys)), decodedRows(await left.rows(keys)), table.id);
          assert.deepEqual(await right.digestOfKeys(null, keys), await left.digestOfKeys(null, keys), table.id);
        }
        await left.close();
        await right.close();
        compared += 1;
      }
      assert.ok(compared > 20);
    });

    if (format === "csv") {
      test("the server's own COPY reads the file back exactly", async () => {
        await client.query("create table types.again (like types.every_type)");
        const path = join(directory.path, "tables/types.every_type/1");
        const chunk = readdirSync(path).find((name) => name.endsWith(".csv.gz")) ?? "";
        const into = client.query(copyFrom("copy types.again from stdin (format csv, header)"));
        await pipeline(createReadStream(join(path, chunk)), createGunzip(), into);
        const { rows } = await client.query(
          "select count(*)::text as n from (select t::text from types.every_type t except all select t::text from types.again t) d",
        );
        assert.deepEqual(rows, [{ n: "0" }]);
      });
    }
  });
}

interface LoadParts {
  readonly target: FileVersionTarget;
  readonly reader: ReturnType<typeof openSourceReader>;
  readonly table: Table;
}

async function loadTable({ target, reader, table }: LoadParts, last: number): Promise<number> {
  let chunk = last;
  if (table.key === null) {
    const take = async ({ copyText, view, hi }: WholeRead): Promise<void> => {
      const confirm = () => Promise.resolve({ floor: 1n, hi, view: view.text });
      await target.loadWhole(table, chunk + 1, copyText, confirm);
    };
    await reader.readWhole(table, take, NEVER);
    return chunk + 1;
  }
  for (const { id: leaf } of table.leaves) {
    chunk += 1;
    const { hi, rows } = await reader.readChunk(table, { leaf, from: null, to: null }, LARGE, NEVER);
    await target.loadChunk(table, chunk, { floor: 1n, hi, view: null }, rows);
  }
  return chunk;
}

/** As the client decodes them: a `"char"` past 127 is a byte that is no UTF-8, which a server before 16 sends as it is. */
function decodedRows(rows: ReadonlyMap<unknown, Row>): [string, unknown][] {
  return sortedEntries(rows).map(([key, row]) => [decoded(key) ?? "", row.map(decoded)]);
}

function isText(key: Row): boolean {
  return key.every((value) => isUtf8(Buffer.from(value ?? "", "latin1")));
}

function decoded(value: string | null): string | null {
  return value === null ? null : displayText(toByteText(displayText(value)));
}

function sorted(items: readonly { readonly key: Row; readonly hash: string }[]): string[] {
  return items.map(({ key, hash }) => `${key.map(decoded).join()} ${hash}`).sort();
}

function sortedEntries<V>(entries: ReadonlyMap<unknown, V>): [string, V][] {
  return [...entries].map(([key, value]): [string, V] => [String(key), value]).sort(([a], [b]) => (a < b ? -1 : 1));
}
