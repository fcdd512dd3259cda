import assert from "node:assert/strict";
import type pg from "pg";
import type { ChunkRows, TargetTransaction } from "../../../src/engine/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { rowKey, type Table } from "../../../src/model/table.ts";
import { type Row, toByteText } from "../../../src/model/value.ts";
import { encodeCopyLine, parseCopyLine } from "../../../src/postgres/copy-text.ts";
import { forgetMigration } from "../../../src/side/postgres/bookkeeping/forget-migration.ts";
import { createProgressSchema } from "../../../src/side/postgres/bookkeeping/progress-schema.ts";
import { openPostgresTarget, type PostgresTargetOptions } from "../../../src/target/postgres/postgres-target.ts";
import type { OpenTarget } from "../../../src/target/target.ts";
import { createDatabase, query, type TestDatabase } from "../../support/database.ts";
import type { PgServer } from "../../support/pg-server.ts";

/** A fresh database with a target open over it. */
export class Bench implements AsyncDisposable {
  readonly server: PgServer;
  readonly database: TestDatabase;
  readonly target: OpenTarget;

  private constructor(server: PgServer, database: TestDatabase, target: OpenTarget) {
    this.server = server;
    this.database = database;
    this.target = target;
  }

  static async open(server: PgServer, ddl: string, options: Partial<PostgresTargetOptions> = {}): Promise<Bench> {
    const database = await createDatabase(server);
    if (ddl !== "") await query(database, ddl);
    return new Bench(server, database, await openTarget(database, options));
  }

  apply<T>(work: (transaction: TargetTransaction) => Promise<T>): Promise<T> {
    return this.target.transaction("stream", work);
  }

  sql(text: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return query(this.database, text, values);
  }

  /** Every row as PostgreSQL prints it, sorted. */
  async rows(relation: string): Promise<string[]> {
    const rows = await this.sql(`select t::text as row from ${relation} t order by 1`);
    return rows.map(({ row }) => String(row));
  }

  table(id: string, key: readonly string[] | null): Promise<Table> {
    return describeTable(this.database, id, key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.target.close();
    const client = await this.database.connect();
    await createProgressSchema(client, "target");
    const originPrefix = `pghaul_${this.database.name}_`;
    await forgetMigration(client, {
      side: "target",
      markers: "marker_of_bench",
      migration: "bench",
      originPrefix,
      signal: new AbortController().signal,
    });
    const left = await query<{ roname: string }>(client, "select roname from pg_replication_origin where starts_with(roname, $1)", [
      originPrefix,
    ]);
    assert.deepEqual(
      left.filter(({ roname }) => /^\d+\//.test(roname.slice(originPrefix.length))),
      [],
    );
    // Those that a test gave names of their own.
    for (const { roname } of left) await client.query("select pg_replication_origin_drop($1)", [roname]);
    await client.end();
  }
}

/** Origins are the server's, not the database's: a name of their own for each database. */
export function openTarget(database: TestDatabase, options: Partial<PostgresTargetOptions> = {}): Promise<OpenTarget> {
  return openPostgresTarget({
    connect: () => database.connect(),
    migration: "bench",
    stream: "forward",
    loadLanes: 2,
    originPrefix: `pghaul_${database.name}_`,
    signal: new AbortController().signal,
    ...options,
  });
}

/** What the source's catalog would say of a table that is the same there. */
export async function describeTable(database: TestDatabase, id: string, key: readonly string[] | null): Promise<Table> {
  const [schema, name] = id.split(".") as [string, string];
  const columns = await query<{ name: string; type: string; identity: string; notnull: boolean; oid: number }>(
    database,
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attidentity as identity, a.attnotnull as notnull, c.oid
       from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`,
    [schema, name],
  );
  assert.notEqual(columns.length, 0, id);
  return {
    id,
    schema,
    name,
    oid: columns[0]?.oid ?? 0,
    columns: columns.map((column) => ({
      name: column.name,
      type: column.type,
      identityAlways: column.identity === "a",
      notNull: column.notnull,
    })),
    key: key === null ? null : key.map((wanted) => columns.findIndex((column) => column.name === wanted)),
    partitioned: false,
    leaves: [],
  };
}

/** Values as the stream carries them: bytes. */
export function row(...values: readonly (string | null)[]): Row {
  return values.map((value) => (value === null ? null : toByteText(value)));
}

export function chunk(rows: readonly Row[]): ChunkRows {
  const text = rows.map(encodeCopyLine).join("");
  return {
    count: rows.length,
    bytes: text.length,
    take(key, keys) {
      const all = text.split("\n").slice(0, -1).map(parseCopyLine);
      return { taken: all.filter((one) => keys.has(rowKey(key, one))), rest: chunk(all.filter((one) => !keys.has(rowKey(key, one)))) };
    },
    copyText: () => [Buffer.from(text, "latin1")],
  };
}

export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PghaulError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

/** Backends of the bench's target that are in the database now. */
export async function backends(client: pg.Client | TestDatabase): Promise<number[]> {
  const rows = await query<{ pid: number }>(
    client,
    "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'",
  );
  return rows.map(({ pid }) => pid);
}
