import assert from "node:assert/strict";
import { test } from "node:test";
import { type StatusView, statusText } from "../../src/cli/status-text.ts";
import { WatchScreen } from "../../src/cli/watch-screen.ts";

const EMPTY: StatusView = {
  migration: "pay",
  primary: "source",
  fenceBreach: null,
  phase: "loading",
  running: null,
  waiting: null,
  tables: [],
  lag: null,
  bytesPerSecond: 0,
  changesPerSecond: 0,
  etaSeconds: null,
  slot: null,
  throttle: { held: false, why: null },
  lastError: null,
  changes: [],
  unsettled: null,
  updatedAt: "2026-11-26T20:00:00.000Z",
};

function table(name: string, phase: string, equal = true): StatusView["tables"][number] {
  return {
    table: name,
    phase,
    rows: 1,
    bytes: 1,
    expectedBytes: 2,
    chunks: { done: 0, total: 1 },
    verified: { equal, lsn: "0/1" },
    held: null,
  };
}

test("what is drawn again fits the window, and the history of the terminal gets nothing of it", () => {
  let written = "";
  const terminal = { columns: 10, rows: 4, write: (text: string) => (written += text) };
  const screen = new WatchScreen(terminal);
  for (const page of ["one\ntwo\nthree\nfour\nfive\n", `${"x".repeat(30)}\n`]) screen.draw(page);
  screen.leave();
  screen.leave();
  const escapes = "\u001b";
  const [before, inside, after] = written.split(new RegExp(`${escapes}\\[\\?1049[hl]`));
  assert.deepEqual([before, after], ["", ""]);
  const pages = (inside ?? "").split(`${escapes}[H`).slice(1);
  assert.equal(pages.length, 2);
  for (const page of pages) {
    const lines = page.replaceAll(new RegExp(`${escapes}\\[[KJ]`, "g"), "").split("\r\n");
    assert.ok(lines.length <= terminal.rows, JSON.stringify(lines));
    for (const line of lines) assert.ok(line.length <= terminal.columns);
  }
});

test("of 40 tables a window of 10 lines shows what is under way and what differs, and counts the rest", () => {
  const tables = Array.from({ length: 40 }, (_, index) => table(`t${index}`, index < 30 ? "live" : "pending"));
  const text = statusText({ ...EMPTY, tables: [...tables, table("busy", "loading"), table("wrong", "live", false)] }, true, 10);
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, 10);
  assert.match(text, /^busy /m);
  assert.match(text, /^wrong /m);
  assert.equal(lines.at(-1), "and 37 more: 30 live, 7 pending");
});

test("all tables are shown where they fit, and where no window limits them", () => {
  const tables = Array.from({ length: 40 }, (_, index) => table(`t${index}`, "live"));
  for (const lines of [undefined, 44]) assert.equal(statusText({ ...EMPTY, tables }, true, lines).split("\n").length, 45);
});
