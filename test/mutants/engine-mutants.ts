import type { Mutant } from "./mutant.ts";

const SIMULATION = "test/mutants/first-seeds.ts";

export const ENGINE_MUTANTS: readonly Mutant[] = [
  {
    what: "keys that the log cannot tell are not read again",
    find: "await this.#settlePending(floor);",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "a chunk is rolled forward from the merge position on, not from its floor",
    find: "const from = round.reduce((lowest, { open }) => minLsn(lowest, open.floor), position);",
    replace: "const from = position;",
    killedBy: [SIMULATION],
  },
  {
    what: "a table's cursor begins behind its first chunk's snapshot",
    find: "this.#cursor.position ??= floor;",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "a chunk read before a crash of the source counts after it",
    find: "if (ports.log.streams() === since) return;",
    replace: "return;",
    killedBy: [SIMULATION],
  },
  {
    what: "a whole read counts though the source crashed under it",
    find: "await read.stillThere();\n        await transaction.setTableProgress",
    replace: "await transaction.setTableProgress",
    killedBy: ["test/engine/whole-read-crash.test.ts"],
  },
  {
    what: "what a whole read holds already is applied to it again",
    find: "cursor.filter = { view: copied.view, until: copied.until };",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "the visible floor is the end of the log, not the first commit that is not visible yet",
    find: "if (!view.contains(header)) return header.commitLsn;",
    replace: ";",
    killedBy: ["test/engine/visible-floor.test.ts"],
  },
  {
    what: "a chunk is rolled forward past a TRUNCATE",
    find: "this.#truncates += 1;",
    replace: "",
    killedBy: ["test/engine/rows/roll-forward.test.ts"],
  },
  {
    what: "a row whose key changed is left under the old key, too",
    find: "if (change.oldKey !== null && previous !== undefined) this.#set(change.oldKey, null);",
    replace: "",
    killedBy: ["test/engine/rows/roll-forward.test.ts"],
  },
  {
    what: "a key of which part is unknown counts as known",
    find: "this.#followed.delete(keyText(newKey));",
    replace: "",
    killedBy: ["test/engine/rows/roll-forward.test.ts"],
  },
  {
    what: "columns that an update leaves unchanged are lost behind an insert of the same batch",
    find: "fold.entries.set(text, { ...before, row: carryForward(before.row, row) });",
    replace: "fold.entries.set(text, { ...before, row: row as Row });",
    killedBy: ["test/engine/fold.test.ts"],
  },
  {
    what: "an insert into a loading table does not replace what its chunk brought",
    find: 'const existed = before?.existed ?? this.#tolerance === "tolerant";',
    replace: "const existed = before?.existed ?? false;",
    killedBy: ["test/engine/fold.test.ts"],
  },
  {
    what: "a delete is forgotten because the same batch had updated the row",
    find: "if (before !== undefined && !before.existed) fold.entries.delete(text);",
    replace: "if (before !== undefined) fold.entries.delete(text);",
    killedBy: ["test/engine/fold.test.ts"],
  },
  {
    what: "rows are committed without the stream's position",
    find: "await transaction.setStreamPosition(applied.position);",
    replace: "",
    killedBy: ["test/engine/rows/stream-apply.test.ts"],
  },
  {
    what: "TRUNCATE overtakes the changes in front of it",
    find: "await this.flush();\n    await this.#transaction.truncate(tables);",
    replace: "await this.#transaction.truncate(tables);",
    killedBy: ["test/engine/rows/apply-batch.test.ts"],
  },
  {
    what: "unique values that change hands end the stream",
    find: "if (!(error instanceof ConstraintConflict)) throw error;\n      await this.#inOrder(changes);",
    replace: "throw error;",
    killedBy: ["test/engine/rows/apply-batch.test.ts"],
  },
  {
    what: "a row that is not at the target passes in silence once its table has joined",
    find: 'if (this.#rules.tolerance === "strict") throw drift(table.id, this.#transaction.side, header);',
    replace: "",
    killedBy: ["test/engine/rows/apply-batch.test.ts"],
  },
  {
    what: "changes of a table that was held in this batch are applied all the same",
    find: "this.#refused.add(id);",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "a hold is forgotten by the stream that wrote it",
    find: "this.#joined.delete(id);",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "a hold is forgotten on a restart: the table is loaded over its own rows",
    find: 'new Set(["joined", "held"]);',
    replace: 'new Set(["joined"]);',
    killedBy: [SIMULATION],
  },
  {
    what: "a chunk is merged before its table's cursor is on record",
    find: "if (!cursor.recorded || cursor.position === null || cursor.position < to) {",
    replace: "if (cursor.position === null || cursor.position < to) {",
    killedBy: [SIMULATION],
  },
  {
    what: "a note of ours counts for more than what the target says it holds",
    find: "if (this.#loading.hasChunk(chunk.id)) {",
    replace: "if (chunk.merged) {",
    killedBy: ["test/engine/load-tables.test.ts"],
  },
  {
    what: "leaves that were made during the load are never looked for",
    find: "open.chunks.push(...missing);",
    replace: "",
    killedBy: ["test/engine/load-tables.test.ts"],
  },
  {
    what: "the log is let go while a chunk that is being read still needs it",
    find: "return [...this.#openReads].reduce<Lsn | null>((oldest, { floor }) => minLsn(oldest ?? floor, floor), this.#cursor.position);",
    replace: "return this.#cursor.position;",
    killedBy: ["test/engine/rows/table-load.test.ts", "test/engine/load-tables.test.ts"],
  },
  {
    what: "the stream goes on from its own memory after a join that was not answered",
    find: "if (next.endsStream(error)) throw error;",
    replace: "",
    killedBy: ["test/engine/rows/stream-apply.test.ts"],
  },
  {
    what: "a table that joined ahead of the stream gets its last changes twice",
    find: "if (cursor.position > position) this.#ahead.set(table.id, cursor.position);",
    replace: "",
    killedBy: [SIMULATION],
  },
  {
    what: "a table that was ahead of the stream gets its last changes twice after a restart",
    find: "if (known.stream !== null && progress.cursor > known.stream) this.#ahead.set(id, progress.cursor);",
    replace: "",
    killedBy: ["test/engine/rows/stream-apply.test.ts"],
  },
];
