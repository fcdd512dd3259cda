/**
 * Parquet by DuckDB in this process, straight from and to COPY text: between two raw tabs or newlines of it nothing stands that DuckDB's CSV
 * reader could take for something else, for COPY escapes them inside of values. The escapes are undone, and made, by DuckDB itself, so that
 * no value becomes a JavaScript string.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { Column, Table } from "../../../model/table.ts";
import type { Compression } from "../storage/data-file.ts";

/** For one conversion: its row groups, and lines of any length are beside it. */
const MEMORY = "256MB";
const ROW_GROUP = "16MB";

/** Types that Parquet has too, with the same text; everything else is PostgreSQL's text. */
const TYPED: Readonly<Record<string, string>> = { smallint: "SMALLINT", integer: "INTEGER", bigint: "BIGINT", boolean: "BOOLEAN" };
const CODECS: Readonly<Record<Compression, string>> = { none: "uncompressed", gzip: "gzip", zstd: "zstd" };

/** A raw newline is in no field of COPY text, so that newline and digit can stand for what other replacements must not touch. */
const [BACKSLASH, NEWLINE] = ["chr(10) || '0'", "chr(10) || '1'"];
const CONTROLS: readonly (readonly [escape: string, character: string])[] = [
  ["\\r", "chr(13)"],
  ["\\t", "chr(9)"],
  ["\\b", "chr(8)"],
  ["\\f", "chr(12)"],
  ["\\v", "chr(11)"],
];

/** What the file of COPY text begins with: DuckDB would take a byte order mark away from the first value of a file. */
export const FIRST_LINE = "-\n";

/**
 * Writes a Parquet file from one of `FIRST_LINE` and COPY text, whose longest line has `longest` bytes. A table with less than two columns comes
 * with an empty first field in each line: DuckDB passes by empty lines. Throws CONFIG_INVALID for bytes that are no UTF-8.
 */
export async function writeParquet(
  files: { readonly copyText: string; readonly parquet: string },
  table: Table,
  { longest, compression }: { readonly longest: number; readonly compression: Compression },
): Promise<void> {
  const fields = needsFiller(table) ? table.columns.length + 1 : table.columns.length;
  const columns = Array.from({ length: fields }, (_, place) => `c${place}: 'VARCHAR'`).join(", ");
  const line = Math.max(longest + 1024, 1024 * 1024);
  const source = `read_csv(${fileName(files.copyText)}, columns = {${columns}}, delim = '\\t', quote = '', escape = '', comment = '',
    header = false, skip = 1, auto_detect = false, nullstr = '\\N', new_line = '\\n', hive_partitioning = false, parallel = false,
    max_line_size = ${line}, buffer_size = ${line * 2})`;
  const names = parquetNames(table);
  const shift = needsFiller(table) ? 1 : 0;
  const selected = parquetColumns(table).map((column, place) => {
    const field = place + shift < fields ? `c${place + shift}` : "''";
    return `${typedSql(column, field)} as ${quote(names[place] ?? "")}`;
  });
  await withDuckDb(table.id, (connection) =>
    connection.run(
      `copy (select ${selected.join(", ")} from ${source}) to ${literal(files.parquet)}
       (format parquet, compression ${CODECS[compression]}, row_group_size_bytes '${ROW_GROUP}')`,
    ),
  );
}

/** The rows of a Parquet file as COPY text, in blocks of whole lines. */
export async function* readParquet(path: string, table: Table): AsyncGenerator<Buffer> {
  const names = parquetNames(table).slice(0, table.columns.length);
  const fields = names.map((name, place) => `coalesce(${copyFieldSql(table.columns[place], quote(name))}, '\\N')`);
  const line = fields.length === 0 ? "''" : fields.join(" || chr(9) || ");
  const { instance, connection } = await openDuckDb();
  try {
    const result = await connection.stream(`select chr(10) || ${line} from read_parquet(${fileName(path)}, hive_partitioning = false)`);
    for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
      // Each value begins with the newline before it: of one that began with a byte order mark the decoder would take that away.
      yield Buffer.from(`${chunk.getColumnValues(0).join("").slice(1)}\n`, "utf8");
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

export function needsFiller({ columns }: Table): boolean {
  return columns.length < 2;
}

/** Parquet has no table without columns. */
function parquetColumns({ columns }: Table): readonly Column[] {
  return columns.length > 0 ? columns : [{ name: "_", type: "text", notNull: true, identityAlways: false }];
}

/** The columns' names; DuckDB does not tell `a` from `A`, so the later of such ones gets a number behind it. */
function parquetNames(table: Table): readonly string[] {
  const taken = new Set<string>();
  return parquetColumns(table).map(({ name }) => {
    let free = name;
    for (let number = 1; taken.has(free.toLowerCase()); number += 1) free = `${name}_${number}`;
    taken.add(free.toLowerCase());
    return free;
  });
}

function typedSql({ type }: Column, field: string): string {
  const typed = TYPED[type];
  if (typed !== undefined) return `cast(${field} as ${typed})`;
  const plain = CONTROLS.reduce((sql, [escaped, character]) => `replace(${sql}, '${escaped}', ${character})`, replaceFirst(field));
  return `case when contains(${field}, '\\') then replace(replace(${plain}, ${BACKSLASH}, '\\'), ${NEWLINE}, chr(10)) else ${field} end`;
}

function replaceFirst(field: string): string {
  return `replace(replace(${field}, '\\\\', ${BACKSLASH}), '\\n', ${NEWLINE})`;
}

function copyFieldSql(column: Column | undefined, value: string): string {
  const type = TYPED[column?.type ?? ""];
  if (type === "BOOLEAN") return `case when ${value} then 't' when not ${value} then 'f' end`;
  if (type !== undefined) return `cast(${value} as varchar)`;
  const escapes = [["\\n", "chr(10)"] as const, ...CONTROLS];
  return escapes.reduce((sql, [escaped, character]) => `replace(${sql}, ${character}, '${escaped}')`, `replace(${value}, '\\', '\\\\')`);
}

async function withDuckDb(what: string, work: (connection: DuckDBConnection) => Promise<unknown>): Promise<void> {
  const { instance, connection } = await openDuckDb();
  try {
    await work(connection);
  } catch (error) {
    if (!(error instanceof Error) || !/unicode|utf-8/i.test(error.message)) throw error;
    throw new PghaulError("CONFIG_INVALID", `${what} holds bytes that are not valid UTF-8, and Parquet holds text as UTF-8`, {
      suggestion: "Use `format: copy` or `format: csv` for the target.",
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function openDuckDb() {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: MEMORY,
    temp_directory: "",
    preserve_insertion_order: "false",
  });
  return { instance, connection: await instance.connect() };
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** DuckDB takes a file's name for a pattern. */
function fileName(path: string): string {
  return literal(path.replace(/[*?[]/g, "[$&]"));
}
