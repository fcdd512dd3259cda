import { PghaulError } from "../../errors/pghaul-error.ts";
import type { StateDatabase } from "../state-database.ts";

export interface VersionedDocument<T> {
  readonly body: T;
  /** Rises by one with each put; 0 stands for "not there yet". */
  readonly version: number;
}

/** JSON documents, replaced whole and only by who has seen the last version. */
export class DocumentStore<T> {
  readonly #database: StateDatabase;
  readonly #name: string;

  constructor(database: StateDatabase, name: string) {
    this.#database = database;
    this.#name = name;
  }

  get(): VersionedDocument<T> | null {
    return this.#database.read(() => {
      const row = this.#database.sqlite
        .prepare<[string], { body: string; version: number }>("select body, version from document where name = ?")
        .get(this.#name);
      return row === undefined ? null : { body: JSON.parse(row.body) as T, version: row.version };
    });
  }

  /** Durable when it returns the new version. Throws STATE_LOCKED when another process has put a version that the caller has not seen. */
  put(body: T, seenVersion: number): number {
    return this.#database.write(() => {
      const text = JSON.stringify(body);
      const now = new Date().toISOString();
      const { sqlite } = this.#database;
      const { changes } =
        seenVersion === 0
          ? sqlite
              .prepare("insert into document (name, version, body, updated_at) values (?, 1, ?, ?) on conflict (name) do nothing")
              .run(this.#name, text, now)
          : sqlite
              .prepare("update document set version = version + 1, body = ?, updated_at = ? where name = ? and version = ?")
              .run(text, now, this.#name, seenVersion);
      if (changes === 1) return seenVersion + 1;
      throw new PghaulError(
        "STATE_LOCKED",
        `another process has meanwhile changed the ${this.#name} in the state directory ${this.#database.directory}`,
      );
    });
  }
}
