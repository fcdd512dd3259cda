import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger, type LoggerOptions } from "../../src/observe/log.ts";

function capture(options: Partial<LoggerOptions> = {}): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "text", write: (line) => void lines.push(line), now: () => 0, ...options });
  return { lines, logger };
}

test("a text line: time, level, event, fields; values with blanks are quoted; one line whatever they hold", () => {
  const { lines, logger } = capture({ fields: { run: "r1" } });
  logger.info("chunk_done", {
    table: "public.orders",
    chunk: 17,
    rows: 9007199254740993n,
    note: 'two\nlines "x"',
    gone: undefined,
    none: null,
    empty: "",
  });
  assert.deepEqual(lines, [
    '1970-01-01T00:00:00.000Z info chunk_done run=r1 table=public.orders chunk=17 rows=9007199254740993 note="two\\nlines \\"x\\"" none=null empty=""\n',
  ]);
});

test("a JSON line is one object with the same keys", () => {
  const { lines, logger } = capture({ format: "json" });
  logger.warn("slot_behind", { bytes: 5n });
  assert.deepEqual(JSON.parse(lines[0] ?? ""), { time: "1970-01-01T00:00:00.000Z", level: "warn", event: "slot_behind", bytes: "5" });
});

test("lines below the level are not written", () => {
  const all = ["error", "warn", "info", "debug"] as const;
  for (const [index, level] of all.entries()) {
    const { lines, logger } = capture({ level });
    for (const name of all) logger[name]("event");
    assert.equal(lines.length, index + 1);
  }
});

test("a child adds its fields to those of its parent", () => {
  const { lines, logger } = capture({ fields: { run: "r1" } });
  logger.child({ table: "a" }).child({ chunk: 1 }).info("event");
  assert.match(lines[0] ?? "", /event run=r1 table=a chunk=1\n$/);
});
