import path from "node:path";
import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { Table } from "../../../model/table.ts";
import type { ConnectionSpec } from "../../../postgres/resolve-connection.ts";
import { asPghaulError } from "../../../postgres/wrap-error.ts";
import { createProgressSchema } from "../progress/progress-schema.ts";
import { SessionPool } from "../session-pool.ts";
import { findClientTools } from "./client-tools.ts";
import { notValid } from "./not-valid.ts";
import { RestoreSession } from "./restore-session.ts";
import { type ArchiveEntry, type RestoreFlags, SchemaArchive } from "./schema-archive.ts";
import {
  type ForeignKeyRow,
  type IndexRow,
  selectForeignKeys,
  selectIndexes,
  selectMajor,
  selectPopulatedViews,
  selectRoles,
  selectTablespaces,
} from "./source-queries.ts";
import { selectMissingTablespaces, selectRestored, selectSettingNames, selectUnusableRoles } from "./target-queries.ts";

export interface SchemaMoveOptions {
  readonly source: ConnectionSpec;
  readonly connect: (side: "source" | "target", purpose: string) => Promise<pg.Client>;
  /** Holds the archive between runs; inside the state directory. */
  readonly dir: string;
  readonly migration: string;
  /** Tables that shall not exist at the target at all. */
  readonly excludeTables: readonly { readonly schema: string; readonly name: string }[];
  /** Whether objects shall belong to the same roles as at the source, and be granted to the same. */
  readonly owners: boolean;
  readonly privileges: boolean;
  /** Indexes of one table that are built at once, each on a connection of its own. */
  readonly indexWorkers: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** What of the source could not be kept, for the operator to see. */
export interface SchemaLosses {
  /** Not empty: no owner and no grant is carried over, asked for or not, because these roles are missing at the target or are not ours to give to. */
  readonly roles: readonly string[];
  /** Not empty: everything lies in the default tablespace, because these are missing. */
  readonly tablespaces: readonly string[];
}

export interface SchemaProgress {
  readonly done: number;
  readonly total: number;
  /** What was created last, as `INDEX public orders_idx`. */
  readonly name: string;
}

/** What the two catalogs say, read once. */
interface Facts {
  readonly indexes: readonly IndexRow[];
  readonly foreignKeys: ReadonlyMap<string, ForeignKeyRow>;
  readonly views: ReadonlyMap<string, string>;
  readonly settings: ReadonlySet<string>;
  readonly losses: SchemaLosses;
}

/** Enough to make little of round trips, few enough for the lock table (max_locks_per_transaction is 64 for each connection). */
const BATCH_ENTRIES = 100;

/**
 * Moves the schema from source to target in pieces: `preData`, then `keyIndexes` (apply finds its rows by them), then as each table is
 * loaded its `tableIndexes`, at last `finish`. Every piece remembers what it has done, so each may be called again after a crash.
 */
export class SchemaMove {
  readonly losses: SchemaLosses;
  readonly #options: SchemaMoveOptions;
  readonly #archive: SchemaArchive;
  readonly #facts: Facts;
  readonly #flags: RestoreFlags;
  readonly #post: readonly ArchiveEntry[];
  readonly #pool: SessionPool<RestoreSession>;
  /** The SQL of everything that comes after rows, made once. */
  #scripts: Promise<ReadonlyMap<string, string>> | null = null;
  /** What earlier runs have done. Nobody else does any of it while we run. */
  #earlier: Promise<ReadonlySet<string>> | null = null;

  private constructor(options: SchemaMoveOptions, archive: SchemaArchive, facts: Facts, post: readonly ArchiveEntry[]) {
    this.#options = options;
    this.#archive = archive;
    this.#facts = facts;
    this.#post = post;
    this.losses = facts.losses;
    const { roles, tablespaces } = facts.losses;
    this.#flags = {
      owners: options.owners && roles.length === 0,
      privileges: options.privileges && roles.length === 0,
      tablespaces: tablespaces.length === 0,
    };
    const open = async (): Promise<RestoreSession> => new RestoreSession(await options.connect("target", "schema"));
    this.#pool = new SessionPool(options.indexWorkers, open, options.signal);
  }

  /**
   * Dumps the source's schema (once; a resumed move goes on with the first dump) and looks at both catalogs.
   * Errors: TOOL_MISSING when no pg_dump is new enough for the source, SOURCE_QUERY with pg_dump's own words, TARGET_*.
   */
  static async open(options: SchemaMoveOptions): Promise<SchemaMove> {
    const { major, ...source } = await withClient(options, "source", readSource);
    const tools = await findClientTools(major, options.env);
    const target = await withClient(options, "target", (client) => readTarget(client, source));
    const file = path.join(options.dir, "schema.dump");
    const archive = await SchemaArchive.open(tools, { spec: options.source, excludeTables: options.excludeTables, file }, options.signal);
    return new SchemaMove(options, archive, { ...source, ...target }, await archive.entries("post-data"));
  }

  /** Types, functions, tables, sequences, views: everything that comes before rows. */
  async preData(onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    const entries = await this.#archive.entries("pre-data");
    // COMMENT ON EXTENSION needs the extension's owner, whom a managed service does not let anybody be; it says what the extension says.
    await this.#inBatches(
      entries.filter(({ name }) => !name.startsWith("COMMENT - EXTENSION ")),
      onProgress,
    );
  }

  /** Primary keys and replica identities of all tables. The tables are still empty. */
  async keyIndexes(tables: readonly Table[], onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    const roots = new Set(tables.map(({ oid }) => String(oid)));
    const keys = this.#facts.indexes.filter(({ root, kind }) => roots.has(root) && kind === "key");
    await this.#inBatches([...this.#created(keys), ...this.#attached(keys)], onProgress);
  }

  /**
   * The table's other indexes and its unique and exclusion constraints. CREATE INDEX lets nobody write to the table while it runs
   * (manual: "CREATE INDEX"), so this belongs between the last chunk and the moment the table joins the stream.
   */
  async tableIndexes(table: Table, onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    const own = this.#facts.indexes.filter(({ root, kind }) => root === String(table.oid) && kind !== "key");
    const indexes = this.#created(own.filter(({ kind }) => kind === "index"));
    // ADD CONSTRAINT locks its table against everything, other indexes included; attaching needs all of them.
    const rest = [...this.#created(own.filter(({ kind }) => kind === "constraint")), ...this.#attached(own)];
    const report = counter(indexes.length + rest.length, onProgress);
    const restored = await this.#restored();
    // All settle before the first error is thrown: none is left building behind the caller's back.
    const outcomes = await Promise.allSettled(indexes.map((entry) => this.#one(entry, restored).then(() => report(entry.name))));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    for (const entry of rest) {
      await this.#one(entry, restored);
      report(entry.name);
    }
  }

  /**
   * All that is left: foreign keys, triggers, rules, policies, statistics, comments; then foreign keys are checked and materialized
   * views filled. Foreign keys are created NOT VALID and checked afterwards, which holds up nobody's writes, the stream's neither.
   */
  async finish(onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    const keys = this.#post.flatMap((entry) => this.#facts.foreignKeys.get(entry.object) ?? []);
    const views = (await this.#archive.entries("pre-data")).flatMap(({ object }) => this.#facts.views.get(object) ?? []);
    const report = counter(this.#post.length + keys.length + views.length, onProgress);
    const restored = await this.#restored();
    for (const entry of this.#post) {
      await this.#one(entry, restored);
      report(entry.name);
    }
    for (const { validate } of keys) {
      await this.#statement(validate, restored);
      report(validate);
    }
    for (const view of views) {
      await this.#statement(`refresh materialized view ${view}`, restored);
      report(view);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #inBatches(entries: readonly ArchiveEntry[], onProgress: ((progress: SchemaProgress) => void) | undefined): Promise<void> {
    const restored = await this.#restored();
    const left = entries.filter(({ name }) => !restored.has(name));
    const report = counter(left.length, onProgress);
    for (let start = 0; start < left.length; start += BATCH_ENTRIES) {
      const batch = left.slice(start, start + BATCH_ENTRIES);
      await this.#step(
        batch.map(({ name }) => name),
        () => this.#sqlOf(batch),
      );
      for (const { name } of batch) report(name);
    }
  }

  async #one(entry: ArchiveEntry, restored: ReadonlySet<string>): Promise<void> {
    if (restored.has(entry.name)) return;
    const late = this.#facts.foreignKeys.has(entry.object);
    await this.#step([entry.name], async () => {
      const sql = await this.#scriptOf(entry);
      return late ? notValid(sql) : sql;
    });
  }

  async #statement(sql: string, restored: ReadonlySet<string>): Promise<void> {
    if (!restored.has(sql)) await this.#step([sql], () => Promise.resolve(sql));
  }

  #step(entries: readonly string[], sql: () => Promise<string>): Promise<void> {
    return this.#pool.use((session) => session.restore({ migration: this.#options.migration, entries, sql }));
  }

  async #scriptOf(entry: ArchiveEntry): Promise<string> {
    this.#scripts ??= this.#archive.scripts(this.#post, this.#flags).catch((error: unknown) => {
      this.#scripts = null;
      throw error;
    });
    const script = (await this.#scripts).get(entry.name);
    return script === undefined ? this.#sqlOf([entry]) : knownSettings(script, this.#facts.settings);
  }

  async #sqlOf(entries: readonly ArchiveEntry[]): Promise<string> {
    return knownSettings(await this.#archive.sql(entries, this.#flags), this.#facts.settings);
  }

  #restored(): Promise<ReadonlySet<string>> {
    this.#earlier ??= withClient(this.#options, "target", (client) => selectRestored(client, this.#options.migration)).catch(
      (error: unknown) => {
        this.#earlier = null;
        throw error;
      },
    );
    return this.#earlier;
  }

  #created(indexes: readonly IndexRow[]): ArchiveEntry[] {
    const objects = new Set(indexes.map(({ object }) => object));
    return this.#post.filter(({ object }) => objects.has(object));
  }

  /** ALTER INDEX ... ATTACH PARTITION has no oid of its own; it goes by the partition's index. */
  #attached(indexes: readonly IndexRow[]): ArchiveEntry[] {
    const titles = indexes.map(({ title }) => `INDEX ATTACH ${title} `);
    return this.#post.filter(({ name }) => name.startsWith("INDEX ATTACH ") && titles.some((title) => name.startsWith(title)));
  }
}

async function readSource(client: pg.Client) {
  const [major, indexes, foreignKeys] = [await selectMajor(client), await selectIndexes(client), await selectForeignKeys(client)];
  return {
    major,
    indexes,
    foreignKeys: new Map(foreignKeys.map((key) => [key.object, key])),
    views: await selectPopulatedViews(client),
    roles: await selectRoles(client),
    tablespaces: await selectTablespaces(client),
  };
}

async function readTarget(client: pg.Client, source: { readonly roles: readonly string[]; readonly tablespaces: readonly string[] }) {
  await createProgressSchema(client);
  return {
    settings: await selectSettingNames(client),
    losses: {
      roles: await selectUnusableRoles(client, source.roles),
      tablespaces: await selectMissingTablespaces(client, source.tablespaces),
    },
  };
}

async function withClient<T>(options: SchemaMoveOptions, side: "source" | "target", work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await options.connect(side, "schema");
  try {
    return await work(client);
  } catch (error) {
    throw error instanceof PghaulError ? error : asPghaulError(error, side, { step: "schema" });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A newer pg_dump sets what an older server has not heard of, `transaction_timeout` say. Only the head of the script is looked at. */
function knownSettings(sql: string, settings: ReadonlySet<string>): string {
  const head = sql.search(/\n-- (?:TOC entry|Name: )/);
  const end = head < 0 ? sql.length : head;
  return sql.slice(0, end).replace(/^SET (\w+) = .*;$/gm, (line, name: string) => (settings.has(name) ? line : "")) + sql.slice(end);
}

function counter(total: number, onProgress: ((progress: SchemaProgress) => void) | undefined): (name: string) => void {
  let done = 0;
  return (name) => {
    done += 1;
    onProgress?.({ done, total, name });
  };
}
