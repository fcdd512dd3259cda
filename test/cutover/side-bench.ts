/** A server, a database with tables of every shape, and a PostgresSide over it. */
import type pg from "pg";
import { claimTables } from "../../src/side/postgres/bookkeeping/claim-tables.ts";
import { createProgressSchema } from "../../src/side/postgres/bookkeeping/progress-schema.ts";
import { DriverSession } from "../../src/side/postgres/switch/driver-session.ts";
import { PostgresSide } from "../../src/side/postgres/switch/postgres-side.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import type { PgServer } from "../support/pg-server.ts";

export const TOKEN = "token-of-our-applier";
export const MARKERS = "marker_bench";

export interface SideBench {
  readonly database: TestDatabase;
  /** Superuser; the application when `user` says so. */
  connect(user?: string): Promise<pg.Client>;
  /** A side over a session of its own. */
  side(tables?: readonly string[], user?: string, token?: string): Promise<PostgresSide>;
  close(): Promise<void>;
}

const TABLES = `
  create table plain (id int primary key, note text);
  create table "Odd Schema ""x""" (id int primary key);
  create schema "S p'ace";
  create table "S p'ace"."T ""q""" (id bigint generated always as identity primary key, v text);
  create table parted (region int, id int, primary key (region, id)) partition by range (region);
  create table parted_low partition of parted for values from (0) to (100) partition by range (region);
  create table parted_lowest partition of parted_low for values from (0) to (10);
  create table parted_high partition of parted for values from (100) to (200);
  create table elsewhere (id int);
  insert into plain values (1, 'one'), (2, 'two');
  insert into parted values (5, 1), (150, 1);
  create function write_it() returns void language sql security definer as $$ update public.plain set note = 'definer' where id = 1 $$;
  grant usage on schema "S p'ace" to app;
  grant all on all tables in schema public, "S p'ace" to app;
  grant all on all sequences in schema public, "S p'ace" to app;`;

export const ROOTS = ["public.plain", `public.Odd Schema "x"`, `S p'ace.T "q"`, "public.parted"];

export async function openBench(server: PgServer): Promise<SideBench> {
  const database = await createDatabase(server);
  const clients: pg.Client[] = [];
  const connect = async (user?: string): Promise<pg.Client> => {
    const client = await database.connect(user);
    clients.push(client);
    return client;
  };
  const admin = await connect();
  await admin.query("do $$ begin create role app login; exception when duplicate_object then null; end $$");
  await admin.query(TABLES);
  await createProgressSchema(admin, "source");
  await claimTables(admin, { side: "source", migration: "bench", markers: MARKERS, tables: ROOTS });
  return {
    database,
    connect,
    side: async (tables = ROOTS, user, token = TOKEN) => {
      const session = new DriverSession({ side: "source", migration: "bench", open: () => connect(user), now: () => performance.now() });
      const side = new PostgresSide({
        name: "source",
        session,
        tables: tables.map(tableName),
        applierToken: token,
        markers: MARKERS,
        now: () => performance.now(),
      });
      await side.warmUp();
      return side;
    },
    close: async () => void (await Promise.all(clients.map((client) => client.end()))),
  };
}

export function tableName(id: string): { schema: string; name: string } {
  const dot = id.indexOf(".");
  return { schema: id.slice(0, dot), name: id.slice(dot + 1) };
}

/** The SQLSTATE a statement fails with; null when it succeeds. */
export async function stateOf(client: pg.Client, sql: string): Promise<string | null> {
  try {
    await client.query(sql);
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
