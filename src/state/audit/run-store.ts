import { hostname } from "node:os";
import type { StateDatabase } from "../state-database.ts";

/** One start of a command on this state. */
export interface RunRecord {
  readonly id: string;
  readonly command: string;
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Null: still running, or killed without a word. */
  readonly endedAt: string | null;
  /** `done`, or the code of the error it ended with. */
  readonly outcome: string | null;
}

/** Which commands ran on this state, and how each ended. */
export class RunStore {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  /** `id` is the run's id of logs and envelopes. */
  start(id: string, command: string): void {
    this.#database.write(() => {
      this.#database.sqlite
        .prepare("insert into run (id, command, pid, host, started_at) values (?, ?, ?, ?, ?)")
        .run(id, command, process.pid, hostname(), new Date().toISOString());
    });
  }

  /** `outcome`: `done` or an error's code. The first end counts. */
  finish(id: string, outcome: string): void {
    this.#database.write(() => {
      this.#database.sqlite
        .prepare("update run set ended_at = ?, outcome = ? where id = ? and ended_at is null")
        .run(new Date().toISOString(), outcome, id);
    });
  }

  /** Newest first. */
  recent(limit: number): readonly RunRecord[] {
    return this.#database.read(() =>
      this.#database.sqlite
        .prepare<[number], RunRecord>(`
          select id, command, pid, host, started_at as startedAt, ended_at as endedAt, outcome
          from run order by started_at desc, id desc limit ?`)
        .all(limit),
    );
  }
}
