import type { StateDatabase } from "./state-database.ts";

/** Things a run does once, whatever it is killed by in between. */
export type Milestone =
  | "schema-moved"
  | "key-indexes"
  | "slot-intended"
  | "barrier-passed"
  | "load-finished"
  | "way-back-intended"
  | "way-back-ready"
  | "torn-down";

/** Which of them are behind us. A milestone is reached after its work, so work that is interrupted is done again: it must be repeatable. */
export class MilestoneStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  has(milestone: Milestone): boolean {
    const row = this.#database.read(() =>
      this.#database.sqlite.prepare("select 1 from document where name = ?").get(`milestone ${milestone}`),
    );
    return row !== undefined;
  }

  reach(milestone: Milestone): void {
    this.#database.write(() => {
      const at = new Date().toISOString();
      this.#database.sqlite
        .prepare("insert into document (name, version, body, updated_at) values (?, 1, '{}', ?) on conflict (name) do nothing")
        .run(`milestone ${milestone}`, at);
    });
  }
}
