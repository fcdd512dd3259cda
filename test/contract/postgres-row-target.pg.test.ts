import { after, before, suite } from "node:test";
import type { ChunkRows, Target } from "../../src/engine/ports.ts";
import type { Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { encodeCopyLine } from "../../src/postgres/copy-text.ts";
import type { OpenTarget } from "../../src/target/target.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { Bench, chunk, openTarget } from "../target/postgres/bench.ts";
import { type RowStore, rowTargetContract } from "./row-target.ts";

const DDL = `create table t (id text primary key, u text unique, big text); create table n (id text, u text, big text);`;

class PostgresStore implements RowStore {
  readonly #bench: Bench;
  #target: OpenTarget;

  constructor(bench: Bench) {
    this.#bench = bench;
    this.#target = bench.target;
  }

  /** The server ends the sessions of a process that was killed; here they are closed. */
  async open(): Promise<Target> {
    await this.#target.close();
    this.#target = await openTarget(this.#bench.database);
    return this.#target;
  }

  async rowsOf({ name }: Table): Promise<readonly Row[]> {
    const rows = await this.#bench.sql(`select id, u, big from ${name}`);
    return rows.map(({ id, u, big }) => [id, u, big] as Row);
  }

  rows(...rows: Row[]): ChunkRows {
    return chunk(rows);
  }

  async *copyText(...rows: Row[]): AsyncIterable<Uint8Array> {
    for (const row of rows) yield Buffer.from(encodeCopyLine(row), "latin1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#target.close();
    await this.#bench[Symbol.asyncDispose]();
  }
}

for (const version of [13, 18] as const) {
  suite(`PostgreSQL ${version}`, () => {
    let server: PgServer;
    before(async () => {
      server = await startServer({ version });
    });
    after(() => server[Symbol.asyncDispose]());
    rowTargetContract(`PostgreSQL ${version}`, async () => new PostgresStore(await Bench.open(server, DDL)));
  });
}
