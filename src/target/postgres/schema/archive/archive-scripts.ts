import type { ArchiveEntry } from "./archive-list.ts";
import type { ArchiveContents, RestoreFlags, SchemaArchive } from "./schema-archive.ts";
import { onlyPiece, type ScriptPiece } from "./split-script.ts";

/** The SQL of an archive's entries as the target understands it. One run of pg_restore makes a section, where its entries can be told apart. */
export class ArchiveScripts {
  readonly #archive: SchemaArchive;
  readonly #sections: readonly (readonly ArchiveEntry[])[];
  readonly #flags: RestoreFlags;
  readonly #settings: ReadonlySet<string>;
  readonly #pieces = new Map<readonly ArchiveEntry[], Promise<ReadonlyMap<string, ScriptPiece> | null>>();

  /** `settings`: the names that the target has heard of. */
  constructor(archive: SchemaArchive, { preData, postData }: ArchiveContents, flags: RestoreFlags, settings: ReadonlySet<string>) {
    this.#archive = archive;
    this.#sections = [preData, postData];
    this.#flags = flags;
    this.#settings = settings;
  }

  async one(entry: ArchiveEntry): Promise<ScriptPiece> {
    const section = this.#sections.find((one) => one.includes(entry)) ?? [];
    const piece = (await this.#split(section))?.get(entry.number) ?? (await this.#alone(entry));
    return { ...piece, sql: knownSettings(piece.sql, this.#settings) };
  }

  /** Of several at once, with grants behind everything else. */
  async together(entries: readonly ArchiveEntry[]): Promise<string> {
    return knownSettings(await this.#archive.sql(entries, this.#flags), this.#settings);
  }

  #split(section: readonly ArchiveEntry[]): Promise<ReadonlyMap<string, ScriptPiece> | null> {
    const known = this.#pieces.get(section);
    if (known !== undefined) return known;
    const made = this.#archive.scripts(section, this.#flags).catch((error: unknown) => {
      this.#pieces.delete(section);
      throw error;
    });
    this.#pieces.set(section, made);
    return made;
  }

  /** What begins like another object is then only text. */
  async #alone(entry: ArchiveEntry): Promise<ScriptPiece> {
    const sql = await this.#archive.sql([entry], this.#flags, ["--verbose"]);
    return onlyPiece(sql) ?? { sql, statements: sql, dependsOn: [] };
  }
}

/** A newer pg_dump sets what an older server has not heard of, `transaction_timeout` say. Only the head of the script is looked at. */
function knownSettings(sql: string, settings: ReadonlySet<string>): string {
  const head = sql.search(/\n-- (?:TOC entry|Name: )/);
  const end = head < 0 ? sql.length : head;
  return (
    sql.slice(0, end).replace(/(?<![^\n])SET (\w+) = [^\n]*;(?=\n)/g, (line, name: string) => (settings.has(name) ? line : "")) +
    sql.slice(end)
  );
}
