import type { Mutant } from "./mutant.ts";

/** What only a server can tell. */
export const TARGET_MUTANTS: readonly Mutant[] = [
  {
    what: "a target that has forgotten commits is not noticed",
    find: "if (lane === own ? there === commits : there >= commits) continue;",
    replace: "if (lane !== undefined) continue;",
    killedBy: ["test/target/postgres/target.pg.test.ts"],
    isLong: true,
  },
  {
    what: "progress is read while an earlier process still commits",
    find: "await outliveEarlier(session.client, this.#id, this.#options.signal);",
    replace: "",
    killedBy: ["test/target/postgres/target.pg.test.ts"],
    isLong: true,
  },
  {
    what: "a row that is to be deleted and is not there is no drift",
    find: 'expectAll(target, { what: "to delete", asked: ops.deletes.length, found: found.deleted });',
    replace: "",
    killedBy: ["test/target/postgres/apply.pg.test.ts"],
    isLong: true,
  },
  {
    what: "a row that is to be updated and is not there is no drift",
    find: 'expectAll(target, { what: "to update", asked: patches.length, found: found.patched });',
    replace: "",
    killedBy: ["test/target/postgres/apply.pg.test.ts"],
    isLong: true,
  },
  {
    what: "a point re-read leaves rows that are gone",
    find: "...(keys.length > 0 ? [deleteByKey(target, source)] : []),",
    replace: "",
    killedBy: ["test/target/postgres/merge.pg.test.ts"],
    isLong: true,
  },
  {
    what: "a table without a key is loaded over rows",
    find: 'if ((held?.rowCount ?? 0) > 0) {\n    throw new PghaulError("TARGET_NOT_EMPTY", `${table} already holds rows at the target',
    replace: 'if (held === undefined) {\n    throw new PghaulError("TARGET_NOT_EMPTY", `${table} already holds rows at the target',
    killedBy: ["test/target/postgres/merge.pg.test.ts"],
    isLong: true,
  },
];
