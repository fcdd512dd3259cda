import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Table } from "../../../src/model/table.ts";
import { PostgresOrigin } from "../../../src/side/postgres/compare/postgres-sides.ts";
import { FileArchive } from "../../../src/target/file/archive/file-archive.ts";
import { restorePosition } from "../../../src/target/file/restore/restore-position.ts";
import { type FileRestore, restoreTables } from "../../../src/target/file/restore/restore-tables.ts";
import { NEVER } from "../../source/read-all.ts";
import { sessionsAt } from "../../source/source-session.ts";
import { type PgServer, startServer } from "../../support/pg-server.ts";
import { Bench } from "../postgres/bench.ts";
import { append, CopyRows, openTarget, read, TemporaryDirectory, tableOf } from "./bench.ts";
import { History, sortedLines } from "./history.ts";

const KEYED = tableOf("keyed", ["id", "small", "big"]);
const BAG = tableOf("bag", ["a", "b", "c"], null);
const DDL = "create table keyed (id text primary key, small text, big text); create table bag (a text, b text, c text)";

class Crash extends Error {}

describe("restore", () => {
  let server: PgServer;
  const directory = new TemporaryDirectory();
  const [keyed, bag] = [new History(KEYED, 7, 60), new History(BAG, 7, 60)];

  before(async () => {
    server = await startServer({ version: 17 });
    const target = await openTarget(directory.path);
    const [first, whole] = [keyed.snapshot(10, 5), bag.snapshot(10, 5)];
    await target.loadChunk(KEYED, 1, read(first.floor, first.hi), CopyRows.of(...first.rows));
    const copyText = async function* () {
      yield* CopyRows.of(...whole.rows).copyText();
    };
    await target.loadWhole(BAG, 2, copyText(), () => Promise.resolve(read(whole.floor, whole.hi, whole.view)));
    for (const [index, piece] of keyed.pieces.entries()) {
      const other = bag.pieces[index];
      const both = other === undefined ? piece : { ...piece, changes: [...piece.changes, ...other.changes] };
      const from = piece.header.commitLsn;
      await append(target, { tables: [KEYED, BAG], from, to: from + 10n, pieces: [both] });
    }
    // No move with unknown columns lies between floor and hi of this seed's chunk: nothing was to be read again.
    await target.publish(KEYED, first.hi);
    await target.publish(BAG, whole.hi);
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  async function restore(bench: Bench, asked: bigint | null, crashPoint: (name: string) => void = () => undefined) {
    const archive = await FileArchive.open(directory.path);
    const tables = await archive.tables();
    const digest = async (table: Table) => {
      const origin = new PostgresOrigin({ side: "target", connect: sessionsAt(bench.database.url), sleep: () => Promise.resolve() });
      const { snapshot } = await origin.open(table, NEVER);
      return snapshot.digest(null).finally(() => snapshot.close());
    };
    const request: FileRestore = {
      ...{
        archive,
        tables,
        position: restorePosition({ tables: new Map(tables.map((files) => [files.table.id, [files]])), position: archive.position }, asked),
        target: bench.target,
        scratch: directory.path,
      },
      ...{ digest, begun: () => undefined, restored: () => undefined, crashPoint, signal: NEVER },
    };
    return restoreTables(request);
  }

  async function assertAt(bench: Bench, position: bigint): Promise<void> {
    for (const [name, history] of [
      ["keyed", keyed],
      ["bag", bag],
    ] as const) {
      const { rows } = await sessionRows(bench, `select * from ${name}`);
      assert.deepEqual(sortedLines(rows), sortedLines(history.at(position)), name);
    }
  }

  async function sessionRows(bench: Bench, text: string): Promise<{ rows: (string | null)[][] }> {
    const client = await bench.database.connect();
    const { rows } = await client.query<(string | null)[]>({ text, rowMode: "array" });
    await client.end();
    return { rows: rows.map((row) => row.map((value) => (value === null ? null : Buffer.from(value).toString("latin1")))) };
  }

  test("at the newest position, and at any that the files tell", async () => {
    for (const position of [null, 300n, 470n]) {
      await using bench = await Bench.open(server, DDL);
      const restored = await restore(bench, position);
      assert.deepEqual(
        restored.map(({ table }) => table),
        ["public.bag", "public.keyed"],
      );
      await assertAt(bench, position ?? keyed.end);
      assert.deepEqual((await bench.target.progress()).pending, new Map());
    }
  });

  test("killed anywhere it goes on, to the same position only", async () => {
    for (const point of ["restore-begun", "restore-partition-inserted", "restore-loaded"]) {
      await using bench = await Bench.open(server, DDL);
      const crash = (name: string): void => {
        if (name === point) throw new Crash();
      };
      await assert.rejects(restore(bench, 400n, crash), Crash);
      await assert.rejects(restore(bench, 410n), { code: "CONFIG_CHANGED" });
      await restore(bench, 400n);
      await assertAt(bench, 400n);
    }
  });

  test("a position that the files do not tell is refused, with those that they do", async () => {
    await using bench = await Bench.open(server, DDL);
    await assert.rejects(restore(bench, 20n), { code: "USAGE", suggestion: "Choose a position from 0/A0 to 0/262." });
    await assert.rejects(restore(bench, keyed.end + 1n), { code: "USAGE" });
  });

  test("a row of somebody else at the target is found", async () => {
    await using bench = await Bench.open(server, `${DDL}; insert into keyed values ('foreign')`);
    await assert.rejects(restore(bench, null), { code: "TARGET_DRIFT" });
  });
});
