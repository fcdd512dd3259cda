import type pg from "pg";
import { findClientTools } from "../src/target/postgres/schema/archive/client-tools.ts";
import { type PgServer, startServer } from "../test/support/pg-server.ts";
import { fillPayments } from "./payments/rows.ts";
import { INDEXES, SCHEMA } from "./payments/schema.ts";

export const DATABASE = "payments";

/** Servers as one would run them: what is acknowledged is on disk. */
const SETTINGS = { fsync: "on", full_page_writes: "on", shared_buffers: "256MB", max_wal_size: "2GB" };

export interface Servers {
  readonly source: PgServer;
  readonly target: PgServer;
}

/** PostgreSQL 14 with a million rows, and an empty PostgreSQL 15; both die with this process. `tell` hears how far it is. */
export async function startServers(tell: (line: string) => void): Promise<Servers> {
  const [source, target] = await Promise.all([
    startServer({ version: 14, settings: SETTINGS }),
    startServer({ version: 15, settings: SETTINGS }),
  ]);
  tell("both servers run; filling the first with rows takes 10 to 30 seconds:");
  for (const server of [source, target]) await withClient(server, "postgres", (client) => client.query(`create database ${DATABASE}`));
  await withClient(source, DATABASE, (client) => client.query(SCHEMA));
  await fillPayments(() => source.connect(DATABASE), tell);
  return { source, target };
}

/** How the schema gets to the target: by pg_dump where there is one; without it, as a DBA would do, created by hand beforehand. */
export async function prepareTarget({ target }: Servers): Promise<"move" | "existing"> {
  try {
    await findClientTools(14, process.env);
    return "move";
  } catch (error) {
    console.log(`pghaul moves the schema with pg_dump, and ${(error as Error).message}.`);
    console.log(`To see that: ${(error as { suggestion?: string }).suggestion ?? "install the PostgreSQL client tools"}`);
    console.log("The demo goes on without it: it creates the tables at the target itself (schema: existing).");
    await withClient(target, DATABASE, (client) => client.query(SCHEMA + INDEXES));
    return "existing";
  }
}

async function withClient(server: PgServer, database: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = await server.connect(database);
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
