import type pg from "pg";
import { createSpecialTables } from "./types/special-tables.ts";
import { TYPE_VALUES, type TypeValues } from "./types/values.ts";

export interface TypesOptions {
  /** Only what this version knows, so that an older target can take it; the server's own version unless told. */
  readonly forVersion?: number;
  /** Size of each of the two rows of `types.huge`; 1 MB unless told, 0 for none. */
  readonly hugeRowBytes?: number;
  /** Columns of `types.wide`; 400 unless told. */
  readonly wideColumns?: number;
}

export interface TypesSchema {
  /** The types that `types.every_type` has a column of. */
  readonly types: readonly string[];
  /** Extensions that this build lacks, and whose types are therefore left out. */
  readonly missingExtensions: readonly string[];
}

/**
 * Fills schema `types` with every built-in type and its edge values:
 * - `every_type`: a column a type, row n holds the n-th value of each; `every_array`: the same as arrays, with NULL elements.
 * - `key_...`: a table a type that can be a primary key, its values as keys.
 * - tables that are difficult by their shape: generated and identity columns, dropped columns, long keys, wide and huge rows, sequences.
 */
export async function createTypesSchema(client: pg.ClientBase, options: TypesOptions = {}): Promise<TypesSchema> {
  const version = options.forVersion ?? (await serverVersion(client));
  await client.query(USER_TYPES);
  const missingExtensions = await createExtensions(client);
  const wanted = TYPE_VALUES.filter(({ since = 0, extension = "" }) => since <= version && !missingExtensions.includes(extension));
  const columns = mergeByType(wanted);
  await createEveryType(client, columns);
  await createKeyTables(client, columns);
  await createSpecialTables(client, { hugeRowBytes: options.hugeRowBytes ?? 1_000_000, wideColumns: options.wideColumns ?? 400 });
  return { types: columns.map(({ type }) => type), missingExtensions };
}

const USER_TYPES = `
  create schema types;
  create type types.mood as enum ('sad', 'so so', 'it''s \\ "fine"', '\u{1F642}');
  create domain types.positive as bigint check (value > 0);
  create domain types.tags as text[];
  create type types.inner_pair as (number int, label text);
  create type types.outer_pair as (first types.inner_pair, others types.inner_pair[], n numeric);
  create type types.float_range as range (subtype = float8)`;

async function serverVersion(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query("select current_setting('server_version_num')::int / 10000 as version");
  return (rows[0] as { version: number }).version;
}

async function createExtensions(client: pg.ClientBase): Promise<string[]> {
  const wanted = [...new Set(TYPE_VALUES.flatMap(({ extension }) => extension ?? []))];
  const { rows } = await client.query("select name from pg_available_extensions where name = any ($1)", [wanted]);
  const available = (rows as { name: string }[]).map(({ name }) => name);
  for (const name of available) await client.query(`create extension if not exists ${name}`);
  return wanted.filter((name) => !available.includes(name));
}

interface TypeColumn {
  readonly type: string;
  /** `t_double_precision`: names of columns and key tables. */
  readonly name: string;
  /** SQL expressions. */
  readonly values: readonly string[];
  readonly key: boolean;
}

/** A type may have several entries, by version: one column each all the same. */
function mergeByType(entries: readonly TypeValues[]): TypeColumn[] {
  const types = [...new Set(entries.map(({ type }) => type))];
  return types.map((type) => {
    const own = entries.filter((entry) => entry.type === type);
    return {
      type,
      name: `t_${type
        .replace("types.", "")
        .replaceAll(/[^a-z0-9]+/g, "_")
        .replace(/_$/, "")}${type.endsWith("[]") ? "_array" : ""}${type === '"char"' ? "_quoted" : ""}`,
      values: own.flatMap((entry) => [...entry.literals.map((text) => `${quoteLiteral(text)}::${type}`), ...(entry.expressions ?? [])]),
      key: own.some(({ key }) => key === true),
    };
  });
}

function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

async function createEveryType(client: pg.ClientBase, columns: readonly TypeColumn[]): Promise<void> {
  await client.query(
    `create table types.every_type (id int primary key, ${columns.map(({ name, type }) => `${name} ${type}`).join(", ")})`,
  );
  // An array of an array type is an array of more dimensions: nothing new.
  const elements = columns.filter(({ type }) => !type.endsWith("[]"));
  await client.query(
    `create table types.every_array (id int primary key, ${elements.map(({ name, type }) => `${name} ${type}[]`).join(", ")})`,
  );
  const longest = Math.max(...columns.map(({ values }) => values.length));
  // The last row has nothing but NULLs.
  for (let row = 0; row <= longest; row += 1) {
    const values = columns.map(({ values }) => values[row] ?? "null");
    await client.query(`insert into types.every_type values (${row}, ${values.join(", ")})`);
  }
  const arrays = elements.map(({ type, values }) => `array[${[...values, "null"].join(", ")}]::${type}[]`);
  await client.query(`insert into types.every_array values (1, ${arrays.join(", ")}), (2, ${elements.map(() => "'{}'").join(", ")})`);
}

async function createKeyTables(client: pg.ClientBase, columns: readonly TypeColumn[]): Promise<void> {
  for (const { name, type, values, key } of columns) {
    if (!key) continue;
    const table = `types.key_${name.slice(2)}`;
    await client.query(`create table ${table} (id ${type} primary key, n int)`);
    // A thousand digits and the longest arrays still fit an index entry; equal values that print differently conflict.
    for (const [index, value] of values.entries()) {
      await client.query(`insert into ${table} values (${value}, ${index}) on conflict do nothing`);
    }
  }
}
