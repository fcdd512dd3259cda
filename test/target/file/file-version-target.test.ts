import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { UNCHANGED } from "../../../src/model/value.ts";
import { FileArchive } from "../../../src/target/file/archive/file-archive.ts";
import type { FileVersionTarget } from "../../../src/target/file/file-version-target.ts";
import { append, CopyRows, collect, OWNER, openTarget, read, TemporaryDirectory, tableOf, transaction } from "./bench.ts";

const T = tableOf("t", ["id", "small", "big"]);
const BAG = tableOf("bag", ["a"], null);
const TABLES = [T, BAG];

class Crash extends Error {}

/** Everything that a migration does to a target, each step with a question whether it is done already. */
const LIFE: readonly ((target: FileVersionTarget) => Promise<void>)[] = [
  async (target) => {
    if (!(await target.progress()).loadedChunks.has(1))
      await target.loadChunk(T, 1, read(10n, 30n), CopyRows.of(["1", "a", "A"], ["2", "b", null]));
  },
  async (target) => {
    if ((await target.progress()).loadedChunks.has(2)) return;
    const copyText = (async function* () {
      yield Buffer.from("x\n");
    })();
    await target.loadWhole(BAG, 2, copyText, () => Promise.resolve(read(10n, 30n, "1:2:")));
  },
  async (target) => {
    if ((await target.progress()).accepted !== null) return;
    const moved = { kind: "update", table: T.id, oldKey: ["1"], row: ["7", UNCHANGED, "B"] } as const;
    const pieces = [transaction(20n, moved, { kind: "insert", table: BAG.id, row: ["y"] })];
    await append(target, { tables: TABLES, from: 10n, to: 30n, pieces, pending: [{ table: T.id, key: ["7"], lsn: 20n }] });
  },
  async (target) => {
    if ((await target.progress()).pending.length > 0) await target.loadKeys(T, read(30n, 40n), [["7"], ["8"]], [["7", "a", "B"]]);
  },
  async (target) => {
    if ((await target.progress()).accepted === 30n) await append(target, { tables: TABLES, from: 30n, to: 50n, pieces: [] });
  },
  async (target) => {
    if ((await target.progress()).accepted !== 50n) return;
    const pieces = [
      transaction(60n, { kind: "delete", table: T.id, oldKey: ["2"] }),
      transaction(65n, { kind: "truncate", tables: [BAG.id] }),
    ];
    await append(target, { tables: TABLES, from: 50n, to: 70n, pieces });
  },
  (target) => target.publish(T, 50n),
  (target) => target.publish(BAG, 50n),
];

async function live(directory: string, crashPoint: (name: string) => void): Promise<void> {
  const target = await openTarget(directory, { crashPoint });
  for (const step of LIFE) await step(target);
}

test("killed at any step of forgetting a table, it is there as before or not at all, and is taken anew", async () => {
  for (let kill = 1; ; kill += 1) {
    using directory = new TemporaryDirectory();
    await live(directory.path, () => undefined);
    let passed = 0;
    const target = await openTarget(directory.path, {
      crashPoint: () => {
        passed += 1;
        // The first three are of opening: the position is written once more.
        if (passed === kill + 3) throw new Crash();
      },
    });
    const outcome = await target.forgetTable(T).then(
      () => "forgotten",
      (error: unknown) => error,
    );
    const again = await openTarget(directory.path);
    const chunks = [...(await again.progress()).loadedChunks].sort();
    assert.ok(chunks.join() === "2" || chunks.join() === "1,2", chunks.join());
    assert.deepEqual(readdirSync(join(directory.path, "tables/public.t")).length, 1);
    await again.forgetTable(T);
    await again.loadChunk(T, 3, read(70n, 80n), CopyRows.of(["9", "i", "I"]));
    assert.deepEqual([...(await again.progress()).loadedChunks].sort(), [2, 3]);
    if (outcome === "forgotten") {
      assert.ok(kill > 5);
      return;
    }
    assert.ok(outcome instanceof Crash);
  }
});

test("what somebody else has put into the directory stays", async () => {
  using directory = new TemporaryDirectory();
  await live(directory.path, () => undefined);
  const notes = ["changes/README.txt", "tables/public.t/1/notes", "tables/public.t/notes"].map((name) => join(directory.path, name));
  for (const path of notes) writeFileSync(path, "");
  writeFileSync(join(directory.path, "tables/public.t/1/chunk-9.copy"), "a leaving\n");
  await openTarget(directory.path);
  assert.deepEqual(
    notes.map((path) => existsSync(path)),
    [true, true, true],
  );
  assert.equal(existsSync(join(directory.path, "tables/public.t/1/chunk-9.copy")), false);
});

/** Every file of the directory with its content. */
function contentOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(directory.length), readFileSync(path, "latin1")]));
}

test("killed at any durable step it goes on, and ends with the very files of a life without a crash", async () => {
  using whole = new TemporaryDirectory();
  let steps = 0;
  await live(whole.path, () => (steps += 1));
  const expected = contentOf(whole.path);
  assert.ok(steps > 50);
  for (let kill = 1; kill <= steps; kill += 1) {
    using directory = new TemporaryDirectory();
    let passed = 0;
    const crashPoint = (): void => {
      passed += 1;
      if (passed === kill) throw new Crash();
    };
    await assert.rejects(live(directory.path, crashPoint), Crash);
    await live(directory.path, () => undefined);
    assert.deepEqual(contentOf(directory.path), expected, `killed at step ${kill}`);
  }
});

test("what a life leaves is what its sidecars say, in names that tell of it", async () => {
  using directory = new TemporaryDirectory();
  await live(directory.path, () => undefined);
  assert.deepEqual(Object.keys(contentOf(directory.path)), [
    "/changes/000000000000000A-000000000000001E.json",
    "/changes/000000000000000A-000000000000001E.jsonl",
    "/changes/000000000000001E-0000000000000046.json",
    "/changes/000000000000001E-0000000000000046.jsonl",
    "/pghaul.json",
    "/position.json",
    ...["chunk-2.copy", "chunk-2.json", "published.json", "table.json"].map((name) => `/tables/public.bag/1/${name}`),
    ...["chunk-1.copy", "chunk-1.json", "keys-1.copy", "keys-1.json", "published.json", "table.json"].map(
      (name) => `/tables/public.t/1/${name}`,
    ),
  ]);
  const lines = readFileSync(join(directory.path, "changes/000000000000000A-000000000000001E.jsonl"), "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      {
        ...{ lsn: "0/14", ord: 0, xid: "20", at: "1970-01-01T00:00:00.000000Z", table: "public.t", op: "update" },
        ...{ key: { id: "7" }, old: { id: "1" }, row: { id: "7", big: "B" }, unchanged: ["small"] },
      },
      {
        ...{ lsn: "0/14", ord: 1, xid: "20", at: "1970-01-01T00:00:00.000000Z", table: "public.bag", op: "insert", key: null },
        row: { a: "y" },
      },
    ],
  );
});

test("progress is the same after opening again", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  for (const step of LIFE.slice(0, 4)) {
    await step(target);
    assert.deepEqual(await (await openTarget(directory.path)).progress(), await target.progress());
  }
  const { accepted, durable, tables, loadedChunks, pending } = await target.progress();
  assert.deepEqual([accepted, durable, await target.settle()], [30n, 30n, 30n]);
  assert.deepEqual([...loadedChunks], [1, 2]);
  assert.deepEqual(tables.get(T.id), { hi: 40n, published: null });
  assert.deepEqual(pending, []);
});

test("a point re-read settles only the moves that its floor is behind", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  const pending = [10n, 20n].map((lsn) => ({ table: T.id, key: ["7"], lsn }));
  const change = { kind: "insert", table: T.id, row: ["7", "a", "b"] } as const;
  await append(target, { tables: TABLES, from: 5n, to: 25n, pieces: [transaction(10n, change)], pending });
  await target.loadKeys(T, read(20n, 30n), [["7"]], []);
  assert.deepEqual((await target.progress()).pending, [pending[1]]);
  await target.loadKeys(T, read(21n, 30n), [["7"]], []);
  assert.deepEqual((await target.progress()).pending, []);
});

test("a whole table whose source crashed leaves nothing", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  const copyText = async function* () {
    yield Buffer.from("x\n");
  };
  await assert.rejects(
    target.loadWhole(BAG, 1, copyText(), () => Promise.reject(new Crash())),
    Crash,
  );
  assert.deepEqual((await target.progress()).loadedChunks, new Set());
  const confirm = () => Promise.resolve(read(1n, 2n, "1:1:"));
  for (let twice = 0; twice < 2; twice += 1) assert.deepEqual(await target.loadWhole(BAG, 1, copyText(), confirm), { rows: 1, bytes: 2 });
});

test("a forgotten table is as before its load, and what was loaded is gone from the disk", async () => {
  using directory = new TemporaryDirectory();
  await live(directory.path, () => undefined);
  const target = await openTarget(directory.path);
  await target.forgetTable(T);
  await target.forgetTable(T);
  const { tables, loadedChunks, accepted } = await target.progress();
  assert.deepEqual([tables.has(T.id), [...loadedChunks], accepted], [false, [2], 70n]);
  await target.loadChunk({ ...T, columns: T.columns.slice(0, 2) }, 9, read(70n, 80n), CopyRows.of(["5", "e"]));
  const again = await openTarget(directory.path);
  assert.deepEqual([...(await again.progress()).loadedChunks].sort(), [2, 9]);
  assert.equal(existsSync(join(directory.path, "tables/public.t/1")), false);
});

test("append refuses a stretch that does not follow, and leaves nothing of one that fails", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  await append(target, { tables: TABLES, from: 10n, to: 20n, pieces: [] });
  await assert.rejects(append(target, { tables: TABLES, from: 30n, to: 40n, pieces: [] }), /do not follow/);
  const broken = (async function* () {
    yield transaction(25n, { kind: "insert", table: T.id, row: ["1", "", ""] });
    throw new Crash();
  })();
  await assert.rejects(
    target.append(new Map([[T.id, T]]), 20n, broken, () => assert.fail("it never ended")),
    Crash,
  );
  await append(target, {
    tables: TABLES,
    from: 20n,
    to: 30n,
    pieces: [transaction(25n, { kind: "insert", table: T.id, row: ["1", "", ""] })],
  });
  const archive = await FileArchive.open(directory.path);
  assert.equal((await collect(archive.changes({ table: T, from: 0n, to: 100n }))).length, 1);
});

test("a table whose columns changed asks for a reload", async () => {
  using directory = new TemporaryDirectory();
  const target = await openTarget(directory.path);
  await target.loadChunk(T, 1, read(1n, 2n), CopyRows.of());
  const wider = { ...T, columns: [...T.columns, ...BAG.columns] };
  await assert.rejects(target.loadChunk(wider, 2, read(1n, 2n), CopyRows.of()), { code: "SCHEMA_DRIFT", kind: "target" });
});

test("a directory of somebody else, of another form or of a newer pghaul is refused", async () => {
  using directory = new TemporaryDirectory();
  await openTarget(directory.path);
  const open = (owner: Partial<typeof OWNER>) => openTarget(directory.path, { owner: { ...OWNER, ...owner } });
  await assert.rejects(open({ migration: "other" }), { code: "TARGET_FOREIGN" });
  await assert.rejects(open({ source: { ...OWNER.source, systemIdentifier: "1" } }), { code: "TARGET_FOREIGN" });
  await assert.rejects(open({ format: "csv" }), { code: "CONFIG_CHANGED" });
  await assert.rejects(open({ format: "parquet", source: { ...OWNER.source, encoding: "SQL_ASCII" } }), { code: "CONFIG_INVALID" });
  writeFileSync(
    join(directory.path, "pghaul.json"),
    readFileSync(join(directory.path, "pghaul.json"), "utf8").replace('"formatVersion": 1', '"formatVersion": 2'),
  );
  await assert.rejects(open({}), { code: "TARGET_NEWER" });
  using other = new TemporaryDirectory();
  mkdirSync(join(other.path, "photos"));
  await assert.rejects(openTarget(other.path), { code: "TARGET_FOREIGN" });
  await assert.rejects(FileArchive.open(other.path), { code: "TARGET_FOREIGN" });
});

test("a file in the way, and a full disk, are told in words", async () => {
  using directory = new TemporaryDirectory();
  writeFileSync(join(directory.path, "file"), "");
  await assert.rejects(openTarget(join(directory.path, "file")), { code: "CONFIG_INVALID" });
  chmodSync(directory.path, 0o500);
  if (process.geteuid?.() !== 0) await assert.rejects(openTarget(join(directory.path, "new")), { code: "TARGET_PRIVILEGE" });
  chmodSync(directory.path, 0o700);
  const target = await openTarget(join(directory.path, "ok"));
  const full = (async function* () {
    yield await Promise.reject<Uint8Array>(Object.assign(new Error("write"), { code: "ENOSPC" }));
  })();
  await assert.rejects(
    target.loadWhole(BAG, 1, full, () => assert.fail("nothing to confirm")),
    { code: "TARGET_DISK_FULL" },
  );
});

for (const [what, harm] of [
  ["a chunk that was cut", (root: string) => truncateSync(join(root, "tables/public.t/1/chunk-1.copy"), 3)],
  ["a chunk that is gone", (root: string) => rmSync(join(root, "tables/public.t/1/chunk-1.copy"))],
  [
    "a chunk of which a byte changed",
    (root: string) => writeFileSync(join(root, "tables/public.t/1/chunk-1.copy"), "1\ta\tA\n2\tc\t\\N\n"),
  ],
  ["a sidecar that is no JSON", (root: string) => writeFileSync(join(root, "tables/public.t/1/chunk-1.json"), "{")],
  ["a sidecar without a member", (root: string) => writeFileSync(join(root, "tables/public.t/1/chunk-1.json"), "{}")],
  ["the first changes gone", (root: string) => removeChanges(root, "000000000000000A-000000000000001E")],
  ["the last changes gone", (root: string) => removeChanges(root, "000000000000001E-0000000000000046")],
  [
    "changes of another chain",
    (root: string) => replaceIn(join(root, "changes/000000000000001E-0000000000000046.json"), /"previous": "./, '"previous": "_'),
  ],
  [
    "changes of which a byte changed",
    (root: string) => replaceIn(join(root, "changes/000000000000001E-0000000000000046.jsonl"), "delete", "insert"),
  ],
] as const) {
  test(`${what}: the reader refuses it and names the file`, async () => {
    using directory = new TemporaryDirectory();
    await live(directory.path, () => undefined);
    harm(directory.path);
    await assert.rejects(
      async () => {
        const archive = await FileArchive.open(directory.path);
        for (const files of await archive.tables()) {
          for (const file of files.reads) await collect(archive.rows(files, file));
          await collect(archive.changes({ table: files.table, from: 0n, to: 1000n }));
        }
      },
      (error) => error instanceof PghaulError && error.code === "TARGET_DAMAGED" && String(error.context.file).length > 0,
    );
  });
}

function removeChanges(root: string, name: string): void {
  for (const suffix of ["json", "jsonl"]) rmSync(join(root, "changes", `${name}.${suffix}`));
}

function replaceIn(path: string, from: string | RegExp, to: string): void {
  writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
}
