import path from "node:path";
import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { SideName } from "../../../model/side.ts";
import type { Table } from "../../../model/table.ts";
import { quietEventTriggers } from "../../../postgres/quiet-ddl.ts";
import { quoteLiteral } from "../../../postgres/quote.ts";
import type { ConnectionSpec } from "../../../postgres/resolve-connection.ts";
import { asPghaulError } from "../../../postgres/wrap-error.ts";
import { createProgressSchema } from "../../../side/postgres/bookkeeping/progress-schema.ts";
import { askOf } from "../../../side/postgres/catalog/ask.ts";
import type { AccessDifference } from "../../../side/postgres/catalog/compare-access.ts";
import { readServer } from "../../../side/postgres/facts/server.ts";
import { applyAccess } from "../access/apply-access.ts";
import { SessionPool } from "../session-pool.ts";
import type { ArchiveEntry } from "./archive/archive-list.ts";
import { ArchiveScripts } from "./archive/archive-scripts.ts";
import { findClientTools } from "./archive/client-tools.ts";
import { type ArchiveContents, SchemaArchive } from "./archive/schema-archive.ts";
import { fillViews } from "./fill-views.ts";
import { notValid } from "./not-valid.ts";
import { RestoreSession, type RestoreStep } from "./restore-session.ts";
import {
  type ForeignKeyRow,
  type IndexRow,
  selectForeignKeys,
  selectIndexes,
  selectPopulatedViews,
  selectTablespaces,
} from "./source-queries.ts";
import { type Mark, markRestored, selectMissingTablespaces, selectRestored, selectSettingNames } from "./target-queries.ts";

export interface SchemaMoveOptions {
  readonly source: ConnectionSpec;
  /** Sessions at the target build under the settings of the application's own. */
  readonly connect: (side: SideName, purpose: string) => Promise<pg.Client>;
  /** Of the application's own sessions: materialized views are filled with it (until 16; later ones are on their own). */
  readonly searchPath: string;
  /** Holds the archive between runs; inside the state directory. */
  readonly dir: string;
  readonly migration: string;
  /** Tables that shall not exist at the target at all. */
  readonly excludeTables: readonly { readonly schema: string; readonly name: string }[];
  /** Settings of pg_dump's session, as `-c name=value`. */
  readonly dumpOptions: readonly string[];
  /** Whether objects shall belong to the same roles as at the source, and be granted to the same. */
  readonly owners: boolean;
  readonly privileges: boolean;
  /** Indexes of one table that are built at once, each on a connection of its own. */
  readonly indexWorkers: number;
  /**
   * It was done before, and the target, a standby that was behind say, has forgotten some of it. Hands may have made that since, and rights that
   * somebody gave since then stay.
   */
  readonly again: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** What of the source could not be kept, for the operator to see. */
export interface SchemaLosses {
  /** Not empty: everything lies in the default tablespace, because these are missing. */
  readonly tablespaces: readonly string[];
}

export interface SchemaProgress {
  readonly done: number;
  readonly total: number;
  /** What was created last, as `INDEX public orders_idx owner`. */
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
  readonly #scripts: ArchiveScripts;
  readonly #contents: ArchiveContents;
  readonly #pool: SessionPool<RestoreSession>;
  /** What earlier runs have done, as the target last said. Nobody else does any of it while we run. */
  #earlier: Promise<ReadonlySet<string>> | null = null;

  private constructor(options: SchemaMoveOptions, archive: SchemaArchive, facts: Facts, contents: ArchiveContents) {
    this.#options = options;
    this.#archive = archive;
    this.#facts = facts;
    this.#contents = contents;
    this.losses = facts.losses;
    // Owners and grants are a step of their own: one missing role would fail whatever the script has beside it.
    const flags = { owners: false, privileges: false, tablespaces: facts.losses.tablespaces.length === 0 };
    this.#scripts = new ArchiveScripts(archive, contents, flags, facts.settings);
    const open = async (): Promise<RestoreSession> => {
      const client = await options.connect("target", "schema");
      await quietEventTriggers(client);
      return new RestoreSession(client);
    };
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
    const { source: spec, excludeTables, dumpOptions, signal } = options;
    const archive = await SchemaArchive.open(tools, { spec, excludeTables, file, options: dumpOptions }, signal);
    return new SchemaMove(options, archive, { ...source, ...target }, await archive.contents());
  }

  /** Types, functions, tables, sequences, views: everything that comes before rows. */
  async preData(onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    // COMMENT ON EXTENSION needs the extension's owner, whom a managed service does not let anybody be; it says what the extension says.
    await this.#inBatches(
      this.#contents.preData.filter(({ title }) => !title.startsWith("COMMENT - EXTENSION ")),
      onProgress,
    );
    // The target's default privileges have just given rights on what we made, and rows are about to come.
    await this.#applyAccess({ owners: false, grants: false, policies: false });
  }

  /** Primary keys and replica identities of all tables. The tables are still empty. */
  async keyIndexes(tables: readonly Table[], onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    const roots = new Set(tables.map(({ oid }) => String(oid)));
    const keys = this.#facts.indexes.filter(({ root, kind }) => roots.has(root) && kind === "key");
    const created = this.#created(keys);
    await this.#inBatches([...created, ...(await this.#attached(created))], onProgress);
  }

  /**
   * The table's other indexes and its unique and exclusion constraints. CREATE INDEX lets nobody write to the table while it runs
   * (manual: "CREATE INDEX"), so this belongs between the last chunk and the moment the table joins the stream.
   */
  async tableIndexes(table: Table, onProgress?: (progress: SchemaProgress) => void): Promise<void> {
    const own = this.#facts.indexes.filter(({ root, kind }) => root === String(table.oid) && kind !== "key");
    const indexes = this.#created(own.filter(({ kind }) => kind === "index"));
    // ADD CONSTRAINT locks its table against everything, other indexes included; attaching needs all of them.
    const rest = [
      ...this.#created(own.filter(({ kind }) => kind === "constraint")),
      ...(await this.#attached(this.#created(own), this.#created(this.#facts.indexes.filter(({ kind }) => kind === "key")))),
    ];
    const report = counter(indexes.length + rest.length, onProgress);
    const restored = await this.#restored();
    // All settle before the first error is thrown: none is left building behind the caller's back.
    const outcomes = await Promise.allSettled(indexes.map((entry) => this.#one(entry, restored).then(() => report(entry.title))));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    for (const entry of rest) {
      await this.#one(entry, restored);
      report(entry.title);
    }
  }

  /**
   * All that is left: foreign keys, triggers, rules, policies, statistics, comments; then foreign keys are checked and materialized
   * views filled. Foreign keys are created NOT VALID and checked afterwards, which holds up nobody's writes, the stream's neither. Returns what
   * is different between the two sides in owners, grants and policies, because the target refused it or has no such role.
   */
  async finish(onProgress?: (progress: SchemaProgress) => void): Promise<readonly AccessDifference[]> {
    // Since it was asked the target may have lost its last commits.
    this.#earlier = null;
    const { preData, postData } = this.#contents;
    const keys = postData.flatMap((entry) => this.#facts.foreignKeys.get(entry.object) ?? []);
    const views = [...preData, ...postData].flatMap(({ object }) => this.#facts.views.get(object) ?? []);
    const report = counter(postData.length + keys.length + views.length, onProgress);
    const restored = await this.#restored();
    for (const entry of postData) {
      await this.#one(entry, restored);
      report(entry.title);
    }
    for (const { validate } of keys) {
      await this.#statement(validate, restored);
      report(validate);
    }
    const setPath = `select pg_catalog.set_config('search_path', ${quoteLiteral(this.#options.searchPath)}, true)`;
    await fillViews(views, async (statement) => {
      await this.#statement(statement, restored, `${setPath}; ${statement}`);
      report(statement);
    });
    return this.#applyAccess({ owners: this.#options.owners, grants: true, policies: true });
  }

  /** The target remembers it, for a later run to ask. */
  mark(mark: Mark): Promise<void> {
    return withClient(this.#options, "target", (client) => markRestored(client, this.#options.migration, mark));
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #applyAccess(what: {
    readonly owners: boolean;
    readonly grants: boolean;
    readonly policies: boolean;
  }): Promise<readonly AccessDifference[]> {
    const { privileges, again } = this.#options;
    return withClient(this.#options, "source", (source) =>
      withClient(this.#options, "target", (target) =>
        applyAccess({ ...what, privileges, source: askOf(source), target, takeBack: !again }),
      ),
    );
  }

  async #inBatches(entries: readonly ArchiveEntry[], onProgress: ((progress: SchemaProgress) => void) | undefined): Promise<void> {
    const restored = await this.#restored();
    const left = entries.filter(({ key }) => !restored.has(key));
    const report = counter(left.length, onProgress);
    for (let start = 0; start < left.length; start += BATCH_ENTRIES) {
      await this.#batch(left.slice(start, start + BATCH_ENTRIES), report);
    }
  }

  /** All at once; where one fails, one by one, for the operator must know which. */
  async #batch(batch: readonly ArchiveEntry[], report: (title: string) => void): Promise<void> {
    try {
      await this.#step(batch, () => this.#scripts.together(batch));
    } catch (error) {
      if (!(error instanceof PghaulError) || error.code !== "TARGET_SCHEMA") throw error;
      for (const entry of batch) await this.#step([entry], () => this.#scripts.together([entry]));
    }
    for (const { title } of batch) report(title);
  }

  async #one(entry: ArchiveEntry, restored: ReadonlySet<string>): Promise<void> {
    if (restored.has(entry.key) || (await this.#isOfPolicy(entry))) return;
    const late = this.#facts.foreignKeys.has(entry.object);
    await this.#step([entry], async () => {
      const { sql } = await this.#scripts.one(entry);
      return late ? notValid(sql) : sql;
    });
  }

  /** Policies name roles, so they come with the grants, from the catalog, and their comments too. */
  async #isOfPolicy({ title, ...entry }: ArchiveEntry): Promise<boolean> {
    if (title.startsWith("POLICY ")) return true;
    if (!/^COMMENT .* POLICY /s.test(title)) return false;
    return /^COMMENT ON POLICY /m.test((await this.#scripts.one({ title, ...entry })).sql);
  }

  async #statement(title: string, restored: ReadonlySet<string>, sql = title): Promise<void> {
    if (!restored.has(title)) await this.#step([{ key: title, title }], () => Promise.resolve(sql));
  }

  async #step(entries: RestoreStep["entries"], sql: RestoreStep["sql"]): Promise<void> {
    try {
      await this.#pool.use((session) =>
        session.restore({ migration: this.#options.migration, entries, sql, mayExist: this.#options.again }),
      );
    } catch (error) {
      if (error instanceof PghaulError && error.code === "TARGET_SCHEMA") await this.#archive.makeStale();
      throw error;
    }
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
    return this.#contents.postData.filter(({ object }) => objects.has(object));
  }

  /**
   * ALTER INDEX ... ATTACH PARTITION has no oid of its own; it depends on the partition's index and on the root's, of which one is of these and the
   * other is, or stands already: a partition's primary key may be attached to a mere unique index of the root, which comes after the rows.
   */
  async #attached(created: readonly ArchiveEntry[], standing: readonly ArchiveEntry[] = []): Promise<ArchiveEntry[]> {
    const numbers = new Set(created.map(({ number }) => number));
    const there = new Set([...created, ...standing].map(({ number }) => number));
    const later = new Set(this.#created(this.#facts.indexes).flatMap(({ number }) => (there.has(number) ? [] : [number])));
    const attached: ArchiveEntry[] = [];
    for (const entry of this.#contents.postData) {
      if (!entry.title.startsWith("INDEX ATTACH ")) continue;
      const { dependsOn } = await this.#scripts.one(entry);
      if (dependsOn.some((number) => numbers.has(number)) && !dependsOn.some((number) => later.has(number))) attached.push(entry);
    }
    return attached;
  }
}

async function readSource(client: pg.Client) {
  const major = Math.floor((await readServer(askOf(client))).version / 10_000);
  const [indexes, foreignKeys] = [await selectIndexes(client), await selectForeignKeys(client)];
  return {
    major,
    indexes,
    foreignKeys: new Map(foreignKeys.map((key) => [key.object, key])),
    views: await selectPopulatedViews(client),
    tablespaces: await selectTablespaces(client),
  };
}

async function readTarget(client: pg.Client, source: { readonly tablespaces: readonly string[] }) {
  await createProgressSchema(client, "target");
  return {
    settings: await selectSettingNames(client),
    losses: {
      tablespaces: await selectMissingTablespaces(client, source.tablespaces),
    },
  };
}

async function withClient<T>(options: SchemaMoveOptions, side: SideName, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await options.connect(side, "schema");
  try {
    return await work(client);
  } catch (error) {
    throw error instanceof PghaulError ? error : asPghaulError(error, side, { step: "schema" });
  } finally {
    await client.end().catch(() => undefined);
  }
}

function counter(total: number, onProgress: ((progress: SchemaProgress) => void) | undefined): (name: string) => void {
  let done = 0;
  return (name) => {
    done += 1;
    onProgress?.({ done, total, name });
  };
}
