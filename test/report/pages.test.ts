import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { htmlPage } from "../../src/report/html-page.ts";
import { markdownPage } from "../../src/report/markdown-page.ts";
import type { Report } from "../../src/report/report.ts";
import { EXAMPLE } from "./example-report.ts";

/** UPDATE_GOLDEN=1 writes the file instead, for the reviewer to look at. */
function assertGolden(name: string, text: string): void {
  const file = fileURLToPath(new URL(`golden/${name}`, import.meta.url));
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(file, text);
  assert.ok(existsSync(file), `${file} does not exist; UPDATE_GOLDEN=1 writes it`);
  assert.equal(text, readFileSync(file, "utf8"));
}

const EMPTY: Report = {
  migration: "empty",
  madeAt: EXAMPLE.madeAt,
  status: { phase: "not-started", streaming: false, updatedAt: null, lag: null, slotRetainedBytes: null, lastError: null },
  load: { rows: 0, bytes: 0, startedAt: null, endedAt: null, bytesPerSecond: null },
  streams: [],
  tables: [],
  leftOut: [],
  held: [],
  series: [],
  verifications: [],
  switches: [],
  journal: { entries: [], head: "0".repeat(64), broken: null },
  breaches: [],
  runs: [],
};

test("the pages of a migration with something of everything", () => {
  assertGolden("report.html", htmlPage(EXAMPLE));
  assertGolden("report.md", markdownPage(EXAMPLE));
});

test("what was not moved is named with its reason", () => {
  for (const page of [htmlPage(EXAMPLE), markdownPage(EXAMPLE)])
    assert.match(page, /Not moved:[^]*maps\.spots belongs to the extension maps/);
  for (const page of [htmlPage(EMPTY), markdownPage(EMPTY)]) assert.doesNotMatch(page, /Not moved/);
});

test("the HTML needs nothing else: no script, nothing fetched", () => {
  const page = htmlPage(EXAMPLE);
  for (const outside of [/<script/i, /https?:/i, /@import/i, /url\(/i, /\bsrc=/i, /<link/i, /\bon[a-z]+=/i])
    assert.doesNotMatch(page, outside);
  assert.match(page, /prefers-color-scheme: dark/);
});

test("the HTML is well formed: every element that is opened is closed, in order", () => {
  const open: string[] = [];
  for (const [, closing, name, empty] of htmlPage(EXAMPLE).matchAll(/<(\/?)([a-z][a-z0-9]*)(?:"[^"]*"|[^">])*?(\/?)>/g)) {
    if (empty === "/" || ["meta", "br"].includes(name as string)) continue;
    if (closing === "") open.push(name as string);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
});

test("names from the database are text on both pages, never markup", () => {
  assert.match(htmlPage(EXAMPLE), /public\.&lt;odd&gt; &amp; &quot;quoted&quot; \| name/);
  assert.doesNotMatch(htmlPage(EXAMPLE), /<odd>/);
  assert.match(markdownPage(EXAMPLE), /public\.\\<odd\\> & "quoted" \\\| name/);
  const lines = markdownPage(EXAMPLE)
    .split("\n")
    .filter((line) => line.startsWith("| public."));
  const columns = lines.map((line) => line.replaceAll("\\|", "").split("|").length);
  assert.deepEqual(new Set(columns).size, 1);
});

test("nothing done yet is a page too", () => {
  assert.match(htmlPage(EMPTY), /Nothing was measured yet/);
  assert.match(markdownPage(EMPTY), /Nothing was measured yet/);
});

test("a broken journal is shouted, and no word says that it is whole", () => {
  const page = htmlPage({ ...EXAMPLE, journal: { ...EXAMPLE.journal, broken: { seq: 2, why: "its content does not match its hash" } } });
  assert.match(page, /BROKEN/);
  assert.match(page, /Entry 2 does not follow: its content does not match its hash/);
  assert.doesNotMatch(page, /hash chain is intact/);
});

test("a table whose last verdict is a difference is what the top of the page says, whichever run compared what since", () => {
  assert.match(markdownPage(EXAMPLE), /\*\*Verified\*\* \| DIFFERENT \| 1 of 3 tables; 2 of 3 tables compared, the last at 1\/2EFFF8/);
});

test("a verdict of some tables is not that of the whole", () => {
  const equal = EXAMPLE.tables.map((table) => (table.verdict === null ? table : { ...table, verdict: { ...table.verdict, equal: true } }));
  assert.match(markdownPage({ ...EXAMPLE, tables: equal }), /\*\*Verified\*\* \| in part \| 2 of 3 tables compared/);
  const whole = equal.filter(({ verdict }) => verdict !== null);
  assert.match(markdownPage({ ...EXAMPLE, tables: whole }), /\*\*Verified\*\* \| equal \| 2 of 2 tables compared/);
});

test("a write that passed a fence stands above everything else", () => {
  const page = markdownPage({ ...EXAMPLE, breaches: ["1 transaction passed the fence at the source"] });
  const shouted = page.search(/\| \*\*Fence\*\* \| FENCE\\?_BREACH \| 1 transaction passed the fence at the source/);
  assert.ok(shouted > 0 && shouted < page.indexOf("**Loaded**"));
  assert.match(htmlPage({ ...EXAMPLE, breaches: ["1 transaction"] }), /FENCE_BREACH/);
});
