import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { UNCHANGED } from "../../../src/model/value.ts";
import { append, CopyRows, OWNER, openTarget, read, TemporaryDirectory, tableOf, transaction } from "./bench.ts";

const T = tableOf("t", ["id bigint", "small", "big"]);

/** The statements of the guide, as a reader would paste them. */
function guideSql(directory: string): string[] {
  const guide = readFileSync(new URL("../../../docs/guides/files.md", import.meta.url), "utf8");
  const block = /```sql\n([^]*?)```/.exec(guide)?.[1] ?? "";
  return block.replaceAll("DIR", directory).split(/;\n/);
}

for (const compression of ["none", "gzip", "zstd"] as const) {
  test(`the guide's DuckDB statement gives the newest state (${compression})`, async () => {
    using directory = new TemporaryDirectory();
    const target = await openTarget(directory.path, { owner: { ...OWNER, format: "parquet", compression } });
    await target.loadChunk(
      T,
      1,
      read(50n, 60n),
      CopyRows.of(["1", "a", null], ["2", "b", "B"], ["3", "", "C"], ["4", "d", "D"], ["8", "h", "H"]),
    );
    await target.loadChunk(T, 2, read(52n, 60n), CopyRows.of(["10", "old", "J"]));
    await target.loadKeys(T, read(70n, 80n), [["7"], ["8"]], [["7", "g", "G"]]);
    const insert = (id: string) => ({ kind: "insert", table: T.id, row: [id, `new ${id}`, null] }) as const;
    const pieces = [
      transaction(40n, insert("99")),
      transaction(61n, { kind: "update", table: T.id, oldKey: null, row: ["2", null, UNCHANGED] }),
      transaction(62n, { kind: "delete", table: T.id, oldKey: ["3"] }, insert("5")),
      transaction(
        63n,
        { kind: "delete", table: T.id, oldKey: ["1"] },
        { kind: "update", table: T.id, oldKey: ["4"], row: ["1", "moved", "D"] },
      ),
    ];
    await append(target, { tables: [T], from: 30n, to: 100n, pieces });
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    const newest = async (): Promise<unknown> => {
      const statements = guideSql(directory.path);
      for (const statement of statements.slice(0, -1)) await connection.run(statement);
      return (await connection.runAndReadAll(statements.at(-1) ?? "")).getRowsJson();
    };
    assert.deepEqual(await newest(), [
      ["1", "moved", "D"],
      ["2", null, "B"],
      ["5", "new 5", null],
      ["7", "g", "G"],
      ["10", "old", "J"],
    ]);
    await append(target, {
      tables: [T],
      from: 100n,
      to: 200n,
      pieces: [transaction(110n, { kind: "truncate", tables: [T.id] }, insert("6"))],
    });
    assert.deepEqual(await newest(), [["6", "new 6", null]]);
    connection.closeSync();
  });
}
