import pg from "pg";
import { deadline } from "./deadline.ts";
import type { PgServer } from "./pg-server.ts";

/** A database of its own on a test server. */
export interface TestDatabase {
  readonly name: string;
  /** As superuser `postgres`. */
  readonly url: string;
  connect(user?: string): Promise<pg.Client>;
}

let counter = 0;

/** Creates an empty database; without a name it gets one that no other test uses. */
export async function createDatabase(server: PgServer, name?: string, encoding?: string): Promise<TestDatabase> {
  counter += 1;
  const database = name ?? `test_${process.pid}_${counter}`;
  const admin = await server.connect();
  try {
    // template0: nothing of what a test may have put into template1, and any encoding.
    const letters = encoding === undefined ? "" : ` encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`;
    await admin.query(`create database ${admin.escapeIdentifier(database)} template template0${letters}`);
  } finally {
    await admin.end();
  }
  return { name: database, url: server.url(database), connect: (user) => server.connect(database, user) };
}

/** Something to run SQL on: a client that is connected, or where to connect for this one statement. */
export type Connection = pg.ClientBase | string | TestDatabase;

/** Runs one statement (or a script without values) and returns its rows. */
export async function query<Row extends pg.QueryResultRow = Record<string, unknown>>(
  connection: Connection,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  if (typeof connection !== "string" && "query" in connection) return run<Row>(connection, sql, values);
  const client = new pg.Client({ connectionString: typeof connection === "string" ? connection : connection.url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await run<Row>(client, sql, values);
  } finally {
    await client.end();
  }
}

async function run<Row extends pg.QueryResultRow>(client: pg.ClientBase, sql: string, values: readonly unknown[]): Promise<Row[]> {
  // With values node-pg speaks the extended protocol, which takes one statement only; without, a script may hold many.
  const result: pg.QueryResult | pg.QueryResult[] = values.length === 0 ? await client.query(sql) : await client.query(sql, [...values]);
  return (Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows) as Row[];
}

export interface WaitOptions {
  /** On a quiet machine; a busy one is given more (`deadline`). */
  readonly deadlineMs: number;
  /** Completes "waited N ms for ...". */
  readonly what: string;
  readonly everyMs?: number;
}

/**
 * Polls until the condition returns something truthy, and returns that. Errors of the condition count as "not yet", so that a
 * server in the middle of a restart can be waited for; the last one is the cause of the failure at the deadline.
 */
export async function waitFor<Result>(condition: () => Result | Promise<Result>, options: WaitOptions): Promise<NonNullable<Result>> {
  const limitMs = deadline(options.deadlineMs);
  const lastTry = Date.now() + limitMs;
  let lastError: unknown;
  for (;;) {
    try {
      lastError = undefined;
      const result = await condition();
      if (result) return result;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() >= lastTry) {
      throw new Error(`waited ${limitMs} ms for ${options.what}`, lastError === undefined ? undefined : { cause: lastError });
    }
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 25));
  }
}
