import type { Mutant } from "./mutant.ts";

const POWER_CUT = "test/workflow/power-cut.test.ts";

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    what: "changes are acknowledged without an fsync",
    find: 'crashPoint("before-segment-sync");\n      await this.#writer.sync();',
    replace: 'crashPoint("before-segment-sync");',
    killedBy: [POWER_CUT],
  },
  {
    what: "the slot hears of changes before the state does",
    find: 'recordDurable(step);\n    this.#recorded = step.lsn;\n    crashPoint("before-acknowledge");\n    this.acknowledge();',
    replace: "this.#recorded = step.lsn;\n    this.acknowledge();\n    recordDurable(step);",
    killedBy: [POWER_CUT],
  },
  {
    what: "the slot is acknowledged beyond what the bucket holds",
    find: "minLsn(this.#recorded, storedTo())",
    replace: "(storedTo(), this.#recorded)",
    killedBy: ["test/workflow/durable-record.test.ts"],
  },
  {
    what: "the log takes what a fenced writer has put into the bucket",
    find: " || ownerOf(head, piece) !== piece.epoch",
    replace: " || ownerOf(head, piece) === null",
    killedBy: ["test/log/segment-upload.test.ts"],
  },
  {
    what: "a new segment's name is not made durable",
    find: "await files.rename(`${path}.new`, path);\n      await files.syncDirectory(dir);",
    replace: "await files.rename(`${path}.new`, path);",
    killedBy: [POWER_CUT],
  },
  {
    what: "a new segment gets its name before its header is durable",
    find: "await file.write(front, 0);\n      await file.sync();",
    replace: "await file.write(front, 0);",
    killedBy: [POWER_CUT],
  },
  {
    what: "the directories that a new log makes are not durable",
    find: "await files.syncDirectory(dirname(made));",
    replace: "",
    killedBy: [POWER_CUT],
  },
  {
    what: "what a killed process left in the system's memory counts as durable",
    find: "await file.truncate(scanned.boundary);\n    await file.sync();",
    replace: "await file.truncate(scanned.boundary);",
    killedBy: [POWER_CUT],
  },
  {
    what: "a segment that a killed process sealed counts as durable",
    find: "await syncSealed(place.files, last.path);",
    replace: "",
    killedBy: [POWER_CUT],
  },
  {
    what: "a sealed segment is followed by another before it is durable",
    find: "await this.#file.write(trailer, this.#written);\n    await this.#file.sync();",
    replace: "await this.#file.write(trailer, this.#written);",
    killedBy: [POWER_CUT],
  },
  {
    what: "the log is released though the target may still forget what it holds",
    find: "await target.makeDurable();\n    if (positions.length > 0)",
    replace: "if (positions.length > 0)",
    killedBy: ["test/workflow/log-release.test.ts"],
  },
  {
    what: "loads that wait for their turn lose their log in a life without a load",
    find: 'state === "loading" || state === "loaded" ? [cursor] : []',
    replace: 'state === "loading" ? [cursor] : []',
    killedBy: ["test/workflow/log-release.test.ts"],
  },
  {
    what: "a log that holds less than what is on record is taken for whole",
    find: "if (index.end < known.lsn) {",
    replace: "if (index.end < 0n) {",
    killedBy: ["test/log/crash-recovery.test.ts"],
  },
  {
    what: "a segment that is missing in the middle is passed over",
    find: "checkChain(segments.at(-1), segment.header, name);",
    replace: "",
    killedBy: ["test/log/crash-recovery.test.ts"],
  },
  {
    what: "a damaged block is read as if it were whole",
    find: 'return isIntact(block) ? block : "damaged";',
    replace: "return block;",
    killedBy: ["test/log/crash-recovery.test.ts"],
  },
  {
    what: "the log of another source is gone on with",
    find: "checkIdentity(segment.header, identity, name);",
    replace: "",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "what is sent again after a reconnect is held twice",
    find: "if (transaction === null || transaction.commitLsn < this.#position) return;",
    replace: "if (transaction === null) return;",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "half a transaction stays in the log when the stream starts anew",
    find: "await this.#appender.forgetUnfinished();",
    replace: "",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "a reader is given what is not durable",
    find: "return { from, to: minLsn(to, this.passed()) };",
    replace: "return { from, to };",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "a segment is deleted of which the end is still needed",
    find: "second.header.firstLsn > before) return;",
    replace: "first.header.firstLsn > before) return;",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "xids are not widened by the newest that was seen",
    find: "if (xid > this.xidReference) this.xidReference = xid;",
    replace: "",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "a second process reads more than the state has on record",
    find: "this.#passed = maxLsn(this.#passed, minLsn(end, durable));",
    replace: "this.#passed = end;",
    killedBy: ["test/log/read-only-log.test.ts"],
  },
  {
    what: "our own writes come back as changes",
    find: "if (isOwn(index.origin(row), options.skipOriginPrefix) || !reader.touchesWanted(row)) continue;",
    replace: "if (!reader.touchesWanted(row)) continue;",
    killedBy: ["test/log/local-log.test.ts"],
  },
  {
    what: "an update is a change of the key because an old key came with it",
    find: "oldKey: moved ? oldKey : null, row };",
    replace: "oldKey, row };",
    killedBy: ["test/log/read-range.test.ts"],
  },
  {
    what: "a column that became another type is no drift",
    find: "this.#rememberTypes(relation, false);",
    replace: "this.#rememberTypes(relation, true);",
    killedBy: ["test/log/read-range.test.ts"],
  },
];
