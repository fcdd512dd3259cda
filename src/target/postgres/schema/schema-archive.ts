/**
 * The source's schema in a file of pg_dump's custom format, and the SQL of any part of it.
 *
 * Custom format, because its table of contents names every object by its catalog's oid: objects are matched with tables and indexes of
 * the source's catalog, and nobody has to find the end of a statement in a file of them. pg_restore only turns entries into SQL;
 * the SQL is run over our own connections to the target, under our own TLS and passwords.
 */
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { quoteIdent } from "../../../postgres/quote.ts";
import type { ConnectionSpec } from "../../../postgres/resolve-connection.ts";
import type { ClientTools } from "./client-tools.ts";
import { libpqEnvironment } from "./libpq-environment.ts";
import { runTool } from "./run-tool.ts";
import { splitScript } from "./split-script.ts";

/** An object of the archive. */
export interface ArchiveEntry {
  /** The line as pg_restore lists it and takes it back. */
  readonly line: string;
  /** What is the same in every dump of the same schema: `INDEX public orders_idx owner`; unique in the archive. */
  readonly name: string;
  /** `catalog/oid` of the object at the source, such as `1259/16402`. */
  readonly object: string;
}

export type ArchiveSection = "pre-data" | "post-data";

export interface DumpRequest {
  readonly spec: ConnectionSpec;
  readonly excludeTables: readonly { readonly schema: string; readonly name: string }[];
  readonly file: string;
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

  constructor(tools: ClientTools, file: string, signal: AbortSignal) {
    this.#tools = tools;
    this.#file = file;
    this.#signal = signal;
  }

  /** Dumps the schema unless `file` is there from an earlier run: a resumed move must go on with the archive it began with. */
  static async open(tools: ClientTools, { spec, excludeTables, file }: DumpRequest, signal: AbortSignal): Promise<SchemaArchive> {
    if (existsSync(file)) return new SchemaArchive(tools, file, signal);
    await mkdir(path.dirname(file), { recursive: true });
    const partial = `${file}.partial`;
    const connection = await libpqEnvironment(spec, "source", `${file}.connection`);
    try {
      await runTool({
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
          `--file=${partial}`,
        ],
        env: connection.env,
        code: "SOURCE_QUERY",
        signal,
      });
    } finally {
      await connection.dispose();
    }
    await rename(partial, file);
    return new SchemaArchive(tools, file, signal);
  }

  /** The objects of a section, in an order in which they can be created. */
  async entries(section: ArchiveSection): Promise<readonly ArchiveEntry[]> {
    const list = await this.#restore(["--list", `--section=${section}`]);
    const seen = new Map<string, number>();
    return list.split("\n").flatMap((line) => {
      const match = /^\d+; (\d+) (\d+) (.+)$/.exec(line);
      if (match === null) return [];
      const text = match[3] as string;
      const count = (seen.get(text) ?? 0) + 1;
      seen.set(text, count);
      return [{ line, name: count === 1 ? text : `${text} #${count}`, object: `${match[1]}/${match[2]}` }];
    });
  }

  /** The SQL that creates these entries, settings first. */
  async sql(entries: readonly ArchiveEntry[], flags: RestoreFlags): Promise<string> {
    return this.#script(entries, flags);
  }

  /** The SQL that creates each entry alone, by its name. Entries may be missing whose end cannot be told; `sql` has them. */
  async scripts(entries: readonly ArchiveEntry[], flags: RestoreFlags): Promise<ReadonlyMap<string, string>> {
    if (entries.length === 0) return new Map();
    const names = new Map(entries.map(({ line, name }) => [numberOf(line), name]));
    const pieces = splitScript(await this.#script(entries, flags, ["--verbose"]), new Set(names.keys()));
    return new Map([...(pieces ?? [])].map(([number, sql]) => [names.get(number) as string, sql]));
  }

  async #script(entries: readonly ArchiveEntry[], flags: RestoreFlags, options: readonly string[] = []): Promise<string> {
    const list = `${this.#file}.${process.pid}.${numberOf(entries[0]?.line ?? "0;")}.list`;
    await writeFile(list, entries.map(({ line }) => `${line}\n`).join(""));
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

  #restore(args: readonly string[]): Promise<string> {
    const env = { PATH: process.env.PATH ?? "" };
    return runTool({ program: this.#tools.pgRestore, args: [...args, this.#file], env, code: "TARGET_SCHEMA", signal: this.#signal });
  }
}

/** The number of an entry, which its line begins with. */
function numberOf(line: string): string {
  return line.slice(0, line.indexOf(";"));
}

/** A name as pg_dump's patterns take it literally: in quotes nothing is a wildcard (manual: "Patterns"). */
function pattern(name: string): string {
  return quoteIdent(name);
}

/** Recent minor versions put psql's \restrict KEY and \unrestrict KEY around the script; they are no SQL. The key is random. */
function withoutRestrict(sql: string): string {
  const key = /^\\restrict ([A-Za-z0-9]+)$/m.exec(sql)?.[1];
  if (key === undefined) return sql;
  return sql.replace(`\\restrict ${key}\n`, "").replace(`\\unrestrict ${key}\n`, "");
}
