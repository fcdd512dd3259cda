import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { asPghaulError, sqlState } from "../../../postgres/wrap-error.ts";
import type { Pooled } from "../session-pool.ts";
import { insertRestored, isRestored, lockEntry } from "./target-queries.ts";

/** Something to create, once: SQL, and what it is remembered by. */
export interface RestoreStep {
  readonly migration: string;
  /** All of one step are created in one transaction. */
  readonly entries: readonly { readonly key: string; readonly title: string }[];
  readonly sql: () => Promise<string>;
  /** What is there without a record is taken for what is wanted: somebody made it by hand where the target had forgotten it. */
  readonly mayExist: boolean;
}

/** duplicate_table and the like, duplicate_object, ambiguous names (manual: "PostgreSQL Error Codes"). */
const EXISTS = /^42(P0[4-7]|710|723)$/;

/** A session that creates objects. The SQL of pg_restore changes its settings, search_path among them, so it does nothing else. */
export class RestoreSession implements Pooled {
  readonly #client: pg.Client;
  #lost = false;

  constructor(client: pg.Client) {
    this.#client = client;
    client.on("error", () => this.#lose());
    client.on("end", () => this.#lose());
  }

  get lost(): boolean {
    return this.#lost;
  }

  /**
   * Creates the step's objects unless an earlier run has; what was created is recorded in the same transaction, so that after a crash
   * the record and the catalog cannot differ. An object that exists without a record was made by somebody else, and is an error, unless it may.
   */
  async restore(step: RestoreStep): Promise<void> {
    const { migration, entries, sql, mayExist } = step;
    const [first] = entries;
    if (first === undefined) return;
    try {
      await this.#client.query("begin");
      await lockEntry(this.#client, migration, first.key);
      if (!(await isRestored(this.#client, migration, first.key))) {
        await this.#client.query(await sql());
        await insertRestored(
          this.#client,
          migration,
          entries.map(({ key }) => key),
        );
      }
      await this.#client.query("commit");
    } catch (error) {
      await this.#client.query("rollback").catch(() => this.#lose());
      if (mayExist && entries.length === 1 && EXISTS.test(sqlState(error) ?? "")) {
        return await this.restore({ ...step, sql: () => Promise.resolve(""), mayExist: false });
      }
      throw restoreError(error, entries);
    }
  }

  async end(): Promise<void> {
    this.#lose();
    await this.#client.end().catch(() => undefined);
  }

  #lose(): void {
    this.#lost = true;
  }
}

function restoreError(error: unknown, entries: RestoreStep["entries"]): PghaulError {
  const known = asPghaulError(error, "target");
  if (known.code !== "TARGET_QUERY" && known.code !== "TARGET_PRIVILEGE") return known;
  const title = entries[0]?.title ?? "";
  const exists = EXISTS.test(String(known.context.sqlstate));
  const failed = title.startsWith("refresh ") || title.startsWith("alter ") ? `"${title}" failed` : `"${title}" could not be created`;
  return new PghaulError("TARGET_SCHEMA", `${failed}: ${known.message}`, {
    context: known.context,
    suggestion: exists
      ? "Start with an empty target database, or create the whole schema yourself and set schema: existing"
      : (known.suggestion ??
        "Fix the cause, at the source or at the target, and run the same command again. Objects that were created stay."),
  });
}
