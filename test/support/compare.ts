import pg from "pg";
import { type ComparedTable, listTables } from "./compare/catalog.ts";
import { differingColumns, differingRows, fingerprint } from "./compare/rows.ts";

export interface CompareOptions {
  /** Tables, as `schema.name`, to leave out. */
  readonly exclude?: RegExp;
  /** How many differing rows to list for each side; 5 unless told. */
  readonly samples?: number;
}

export interface TableComparison {
  /** `schema.name`, unquoted. */
  readonly table: string;
  readonly equal: boolean;
  /** Null where the table does not exist. */
  readonly sourceRows: bigint | null;
  readonly targetRows: bigint | null;
  /** Why they differ, for a person; empty when equal. */
  readonly problem: string;
  /** Rows as text that one side has (more often), the first few. */
  readonly onlyInSource: readonly string[];
  readonly onlyInTarget: readonly string[];
}

/**
 * Compares two databases row by row, as multisets, by what PostgreSQL prints for each row. It is the judge of the product and
 * therefore shares no code with it. Partitioned tables are compared by their roots, all tables of the schema `pghaul` are ours and
 * left out, and so are views, foreign tables, sequences and large objects. Each side is read in one snapshot.
 */
export async function compareDatabases(sourceUrl: string, targetUrl: string, options: CompareOptions = {}): Promise<TableComparison[]> {
  const source = await openForComparison(sourceUrl);
  try {
    const target = await openForComparison(targetUrl);
    try {
      return await compareConnected(source, target, options);
    } finally {
      await target.end();
    }
  } finally {
    await source.end();
  }
}

async function compareConnected(source: pg.Client, target: pg.Client, options: CompareOptions): Promise<TableComparison[]> {
  const [inSource, inTarget] = await Promise.all([listTables(source), listTables(target)]);
  const names = [...new Set([...inSource.keys(), ...inTarget.keys()])].sort();
  const results: TableComparison[] = [];
  for (const name of names) {
    // A regular expression with the g flag remembers where it stopped.
    if (options.exclude !== undefined) options.exclude.lastIndex = 0;
    if (options.exclude?.test(name)) continue;
    results.push(await compareTable({ source, target, samples: options.samples ?? 5 }, name, inSource.get(name), inTarget.get(name)));
  }
  return results;
}

interface Connected {
  readonly source: pg.Client;
  readonly target: pg.Client;
  readonly samples: number;
}

async function compareTable(
  sides: Connected,
  table: string,
  inSource: ComparedTable | undefined,
  inTarget: ComparedTable | undefined,
): Promise<TableComparison> {
  const [atSource, atTarget] = await Promise.all([
    inSource === undefined ? null : fingerprint(sides.source, inSource),
    inTarget === undefined ? null : fingerprint(sides.target, inTarget),
  ]);
  const base = {
    table,
    sourceRows: atSource?.rows ?? null,
    targetRows: atTarget?.rows ?? null,
    onlyInSource: [],
    onlyInTarget: [],
  };
  if (inSource === undefined || inTarget === undefined) {
    return { ...base, equal: false, problem: `the table is missing at the ${inSource === undefined ? "source" : "target"}` };
  }
  const columns = columnsText(inSource);
  if (columns !== columnsText(inTarget)) {
    return { ...base, equal: false, problem: `columns differ\n  source: ${columns}\n  target: ${columnsText(inTarget)}` };
  }
  if (atSource?.rows === atTarget?.rows && atSource?.sum === atTarget?.sum) return { ...base, equal: true, problem: "" };
  const found = { ...sides, inSource, inTarget };
  const columnNames = await differingColumns(found);
  const where =
    columnNames.length === 0 ? "in how values are combined to rows" : `in ${columnNames.map((name) => JSON.stringify(name)).join(", ")}`;
  return { ...base, ...(await differingRows(found, sides.samples)), equal: false, problem: `rows differ ${where}` };
}

function columnsText(table: ComparedTable): string {
  return table.columns.map(({ name, type }) => `${JSON.stringify(name)} ${type}`).join(", ");
}

/** Output formats, pinned: whatever the role or the database sets, equal values must print equally. */
const PINNED_OUTPUT = `
  set timezone = 'UTC';
  set datestyle = 'ISO, YMD';
  set intervalstyle = 'postgres';
  set extra_float_digits = 1;
  set bytea_output = 'hex';
  set lc_monetary = 'C';
  set client_encoding = 'UTF8';
  set search_path = '';
  set row_security = off;
  set statement_timeout = 0;
  set default_transaction_read_only = on;
`;

async function openForComparison(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  await client.query(PINNED_OUTPUT);
  await client.query("begin isolation level repeatable read read only");
  return client;
}

/** Throws, with a message that shows what differs, unless every table is equal. Returns the comparison otherwise. */
export async function assertEqualDatabases(sourceUrl: string, targetUrl: string, options: CompareOptions = {}): Promise<TableComparison[]> {
  const results = await compareDatabases(sourceUrl, targetUrl, options);
  if (results.length === 0) throw new Error("nothing to compare: neither database has a table");
  const different = results.filter((result) => !result.equal);
  if (different.length === 0) return results;
  throw new Error(`${different.length} of ${results.length} tables differ\n${different.map(describe).join("\n")}`);
}

function describe(result: TableComparison): string {
  const lines = [
    `${result.table}: ${result.sourceRows ?? "no"} rows at the source, ${result.targetRows ?? "no"} at the target; ${result.problem}`,
  ];
  for (const row of result.onlyInSource) lines.push(`  - source only: ${row}`);
  for (const row of result.onlyInTarget) lines.push(`  + target only: ${row}`);
  return lines.join("\n");
}
