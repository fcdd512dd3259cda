import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson } from "../../src/model/canonical-json.ts";
import { JournalStore } from "../../src/state/audit/journal.ts";
import type { StateDatabase } from "../../src/state/state-database.ts";
import { temporaryState } from "./temporary-state.ts";

const ZEROS = "0".repeat(64);

/** Changes the file as somebody with an editor for SQLite would: triggers out of the way first. */
function tamper(database: StateDatabase, sql: string): void {
  database.sqlite.exec("drop trigger journal_refuses_update; drop trigger journal_refuses_delete; drop trigger journal_appends_only;");
  database.sqlite.exec(sql);
}

test("an entry says who, when, where and on what evidence, and is hashed over the one before", async (t) => {
  const database = await temporaryState(t);
  const journal = new JournalStore(database, "orders-move");
  const first = journal.append(
    "attempt-started",
    { to: "target", lsn: 2n ** 63n, nested: { b: 1, a: [null, true] }, gone: undefined },
    "d1",
  );
  const second = journal.append("step-done", {});
  assert.deepEqual(
    [first.seq, first.kind, first.migration, first.planDigest, first.prevHash],
    [1, "attempt-started", "orders-move", "d1", ZEROS],
  );
  assert.deepEqual([first.pid, first.host], [process.pid, hostname()]);
  assert.deepEqual(first.evidence, { to: "target", lsn: "9223372036854775808", nested: { b: 1, a: [null, true] } });
  assert.deepEqual([second.seq, second.planDigest, second.prevHash], [2, null, first.hash]);
  assert.deepEqual(journal.entries(), [first, second]);
  assert.deepEqual(journal.verify(), { entries: 2, head: second.hash, broken: null });
});

test("the hash can be recomputed by anybody from the text of the entry", async (t) => {
  const journal = new JournalStore(await temporaryState(t), "m");
  const { prevHash, hash, ...content } = journal.append("kind", { b: "ü", a: 1 });
  const { seq, at, user, host, pid } = content;
  const text = `{"at":"${at}","evidence":{"a":1,"b":"ü"},"host":"${host}","kind":"kind","migration":"m","pid":${pid},"planDigest":null,"seq":${seq},"user":"${user}"}`;
  assert.equal(
    hash,
    createHash("sha256")
      .update(prevHash + text)
      .digest("hex"),
  );
});

test("SQLite refuses to change, remove, replace or insert out of turn", async (t) => {
  const database = await temporaryState(t);
  const journal = new JournalStore(database, "m");
  journal.append("a", {});
  journal.append("b", {});
  const row = "(seq, at, user, host, pid, kind, migration, evidence, prev_hash, hash) values (%, '', '', '', 0, '', '', '{}', '', '')";
  for (const sql of [
    "update journal set kind = 'x'",
    "delete from journal",
    "delete from journal where seq = 2",
    `insert or replace into journal ${row.replace("%", "2")}`,
    `replace into journal ${row.replace("%", "1")}`,
    `insert into journal ${row.replace("%", "9")}`,
  ]) {
    assert.throws(() => database.sqlite.exec(sql), /the journal is append-only/, sql);
  }
  assert.equal(journal.verify().broken, null);
  assert.equal(journal.entries().length, 2);
});

const forgeries: readonly (readonly [string, string, number, string])[] = [
  ["a changed kind", "update journal set kind = 'x' where seq = 2", 2, "its content does not match its hash"],
  ["a changed time", "update journal set at = '2020-01-01T00:00:00.000Z' where seq = 3", 3, "its content does not match its hash"],
  ["changed evidence", `update journal set evidence = '{"lag":1}' where seq = 1`, 1, "its content does not match its hash"],
  ["broken evidence", "update journal set evidence = '{' where seq = 2", 2, "its evidence is not JSON"],
  ["a removed entry", "delete from journal where seq = 2", 3, "entry 2 is missing"],
  [
    "a removed entry, closed up",
    "delete from journal where seq = 2; update journal set seq = seq - 1 where seq > 2",
    2,
    "it does not name the hash of the entry before",
  ],
  ["a removed first entry", "delete from journal where seq = 1", 2, "entry 1 is missing"],
  [
    "entries in another order",
    "update journal set seq = -1 where seq = 2; update journal set seq = 2 where seq = 3; update journal set seq = 3 where seq = -1",
    2,
    "it does not name the hash of the entry before",
  ],
];

for (const [name, sql, seq, why] of forgeries) {
  test(`the chain shows ${name}`, async (t) => {
    const database = await temporaryState(t);
    const journal = new JournalStore(database, "m");
    for (const kind of ["a", "b", "c", "d"]) journal.append(kind, { lag: 0 });
    tamper(database, sql);
    assert.deepEqual(journal.verify().broken, { seq, why });
  });
}

test("an entry cut off the end is shown by the head that was noted before", async (t) => {
  const database = await temporaryState(t);
  const journal = new JournalStore(database, "m");
  for (const kind of ["a", "b"]) journal.append(kind, {});
  const { head } = journal.verify();
  tamper(database, "delete from journal where seq = 2");
  const after = journal.verify();
  assert.equal(after.broken, null);
  assert.notEqual(after.head, head);
});

test("an entry belongs to the transaction around it", async (t) => {
  const database = await temporaryState(t);
  const journal = new JournalStore(database, "m");
  assert.throws(
    () =>
      database.write(() => {
        journal.append("a", {});
        throw new Error("the act failed");
      }),
    /the act failed/,
  );
  assert.deepEqual(journal.verify(), { entries: 0, head: ZEROS, broken: null });
});

test("two journals on one file go on from each other", async (t) => {
  const database = await temporaryState(t);
  const [one, other] = [new JournalStore(database, "m"), new JournalStore(database, "m")];
  for (let turn = 0; turn < 5; turn++) (turn % 2 === 0 ? one : other).append("turn", { turn });
  assert.deepEqual([one.verify().entries, one.verify().broken], [5, null]);
});

test("canonical JSON: one text for one value, whatever the order of keys, and the value comes back", () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, shuffled(member)]),
    );
  };
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.equal(canonicalJson(shuffled(value)), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("canonical JSON refuses what JSON would change in silence", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, () => 1, Symbol("x"), undefined])
    assert.throws(() => canonicalJson([value]), TypeError);
  assert.equal(canonicalJson({ b: 1n, a: undefined, c: new Date(0) }), '{"b":"1","c":"1970-01-01T00:00:00.000Z"}');
});

test("what evidence quotes of a database is kept without its passwords, and the chain holds", async (t) => {
  const journal = new JournalStore(await temporaryState(t), "m");
  journal.append("gate", { fix: "create function far() as 'select dblink(''host=h password=XYZZY'')'", lsn: 7n });
  assert.doesNotMatch(JSON.stringify(journal.entries()), /XYZZY/);
  assert.equal(journal.verify().broken, null);
});
