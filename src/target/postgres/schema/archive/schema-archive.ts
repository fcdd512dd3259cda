/**
 * The source's schema in a file of pg_dump's custom format, and the SQL of any part of it. Only we may read the file, and the options of foreign
 * objects that hold secrets are not in it.
 *
 * Custom format, because its table of contents names every object by its catalog's oid: objects are matched with tables and indexes of
 * the source's catalog, and nobody has to find the end of a statement in a file of them. pg_restore only turns entries into SQL;
 * the SQL is run over our own connections to the target, under our own TLS and passwords.
 */
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { quoteIdent } from "../../../../postgres/quote.ts";
import type { ConnectionSpec } from "../../../../postgres/resolve-connection.ts";
import { type ArchiveEntry, isOurs, parseArchiveList } from "./archive-list.ts";
import type { ClientTools } from "./client-tools.ts";
import { libpqEnvironment } from "./libpq-environment.ts";
import { runTool } from "./run-tool.ts";
import { type ScriptPiece, splitScript } from "./split-script.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** The archive's objects, in an order in which they can be created. */
export interface ArchiveContents {
  /** What can be there before any row is. */
  readonly preData: readonly ArchiveEntry[];
  readonly postData: readonly ArchiveEntry[];
}

export interface DumpRequest {
  readonly spec: ConnectionSpec;
  readonly excludeTables: readonly { readonly schema: string; readonly name: string }[];
  readonly file: string;
  /** Settings of the session, as `-c name=value`. */
  readonly options: readonly string[];
}

export interface RestoreFlags {
  readonly owners: boolean;
  readonly privileges: boolean;
  readonly tablespaces: boolean;
}

export class SchemaArchive {
  readonly #tools: ClientTools;
  readonly #file: string;
  readonly #signal: AbortSignal;
  #lists = 0;

  constructor(tools: ClientTools, file: string, signal: AbortSignal) {
    this.#tools = tools;
    this.#file = file;
    this.#signal = signal;
  }

  /** Dumps the schema unless `file` is there from an earlier run: a resumed move goes on with the archive it began with until that fails. */
  static async open(tools: ClientTools, { spec, excludeTables, file, options }: DumpRequest, signal: AbortSignal): Promise<SchemaArchive> {
    if (existsSync(file) && !existsSync(staleMark(file))) return new SchemaArchive(tools, file, signal);
    await mkdir(path.dirname(file), { recursive: true });
    const partial = `${file}.partial`;
    const connection = await libpqEnvironment(withOptions(spec, options), "source", `${file}.connection`);
    try {
      // Not into a file: until its secrets are out of it, it is in memory only.
      const dump = await runTool({
        program: tools.pgDump,
        args: [
          "--format=custom",
          "--schema-only",
          "--encoding=UTF8",
          "--no-password",
          "--no-publications",
          "--no-subscriptions",
          `--exclude-schema=${pattern("pghaul")}`,
          ...excludeTables.map(({ schema, name }) => `--exclude-table=${pattern(schema)}.${pattern(name)}`),
        ],
        env: connection.env,
        code: "SOURCE_QUERY",
        signal,
      });
      await rm(partial, { force: true });
      await writeFile(partial, withoutSecrets(dump), { mode: 0o600 });
    } finally {
      await connection.dispose();
    }
    await rename(partial, file);
    await rm(staleMark(file), { force: true });
    return new SchemaArchive(tools, file, signal);
  }

  /**
   * pg_dump postpones a materialized view whose query leans on a key (GROUP BY of it), and what depends on such a view comes behind it,
   * though it keeps the mark of the section before rows. So it is the place that counts: all that comes behind the first object of the
   * section after rows.
   */
  async contents(): Promise<ArchiveContents> {
    // What an earlier migration from this server has left on its tables is ours and says nothing about the target.
    const all = parseArchiveList(await this.#restore(["--list"])).filter(({ title }) => !isOurs(title));
    const late = new Set(parseArchiveList(await this.#restore(["--list", "--section=post-data"])).map(({ number }) => number));
    const first = all.findIndex(({ number }) => late.has(number));
    return first < 0 ? { preData: all, postData: [] } : { preData: all.slice(0, first), postData: all.slice(first) };
  }

  /** Something of it could not be created: the cause may go at the source, so the next `open` dumps anew. */
  async makeStale(): Promise<void> {
    await writeFile(staleMark(this.#file), "");
  }

  /** The SQL that creates these entries, settings first. */
  async sql(entries: readonly ArchiveEntry[], flags: RestoreFlags, options: readonly string[] = []): Promise<string> {
    this.#lists += 1;
    const list = `${this.#file}.${process.pid}.${this.#lists}.list`;
    // The number alone: pg_restore reads no further than the semicolon.
    await writeFile(list, entries.map(({ number }) => `${number};\n`).join(""));
    try {
      const text = await this.#restore([
        `--use-list=${list}`,
        "--file=-",
        ...options,
        ...(flags.owners ? [] : ["--no-owner"]),
        ...(flags.privileges ? [] : ["--no-privileges"]),
        ...(flags.tablespaces ? [] : ["--no-tablespaces"]),
      ]);
      return withoutRestrict(text);
    } finally {
      await rm(list, { force: true });
    }
  }

  /** Each entry alone, by its number; null where the end of one cannot be told. */
  async scripts(entries: readonly ArchiveEntry[], flags: RestoreFlags): Promise<ReadonlyMap<string, ScriptPiece> | null> {
    if (entries.length === 0) return new Map();
    return splitScript(await this.sql(entries, flags, ["--verbose"]), new Set(entries.map(({ number }) => number)));
  }

  async #restore(args: readonly string[]): Promise<string> {
    const env = { PATH: process.env.PATH ?? "" };
    const [program, signal] = [this.#tools.pgRestore, this.#signal];
    return (await runTool({ program, args: [...args, this.#file], env, code: "TARGET_SCHEMA", signal })).toString("utf8");
  }
}

function withOptions(spec: ConnectionSpec, options: readonly string[]): ConnectionSpec {
  return options.length === 0 ? spec : { ...spec, options: [...(spec.options === undefined ? [] : [spec.options]), ...options].join(" ") };
}

function staleMark(file: string): string {
  return `${file}.stale`;
}

/** A name as pg_dump's patterns take it literally: in quotes nothing is a wildcard (manual: "Patterns"). */
function pattern(name: string): string {
  return quoteIdent(name);
}

/** Recent minor versions put psql's \restrict KEY and \unrestrict KEY around the script; they are no SQL. The key is random. */
function withoutRestrict(sql: string): string {
  const key = /(?<![^\n])\\restrict ([A-Za-z0-9]+)\n/.exec(sql.slice(0, sql.indexOf("\nSET ")))?.[1];
  if (key === undefined) return sql;
  return sql.replace(`\\restrict ${key}\n`, "").replace(`\\unrestrict ${key}\n`, "");
}
