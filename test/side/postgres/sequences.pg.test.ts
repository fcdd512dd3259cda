import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type pg from "pg";
import { claimTables } from "../../../src/side/postgres/bookkeeping/claim-tables.ts";
import { createProgressSchema } from "../../../src/side/postgres/bookkeeping/progress-schema.ts";
import { DriverSession } from "../../../src/side/postgres/switch/driver-session.ts";
import { PostgresSide } from "../../../src/side/postgres/switch/postgres-side.ts";
import { createDatabase } from "../../support/database.ts";
import { type PgServer, type PgVersion, startServer } from "../../support/pg-server.ts";

const SEQUENCES = `
  create table t (id int primary key);
  create sequence plain;
  create sequence never;
  create sequence restarted;
  create sequence down increment -5 minvalue -1000 maxvalue 0;
  create sequence small maxvalue 100;
  create sequence spent maxvalue 100;
  create sequence round minvalue 1 maxvalue 10 cycle;
  create sequence big;
  create sequence by_seven increment 7;
  create sequence full_smallint as smallint;
  create sequence "Odd ""name"" %s";
  create sequence ahead;`;

const USED = `
  select setval('plain', 500), setval('down', -40), setval('small', 50), setval('spent', 100), setval('round', 8), setval('big', 9223372036854775000),
         setval('by_seven', 70), setval('full_smallint', 32767), setval('"Odd ""name"" %s"', 3), setval('ahead', 10);
  alter sequence restarted restart 700;`;

for (const version of [13, 18] as const satisfies readonly PgVersion[]) {
  describe(`sequences on PostgreSQL ${version}`, () => {
    let server: PgServer;
    before(async () => {
      server = await startServer({ version });
    });
    after(() => server[Symbol.asyncDispose]());

    async function open(name: "source" | "target"): Promise<{ client: pg.Client; side: PostgresSide }> {
      const database = await createDatabase(server);
      const client = await database.connect();
      await client.query(SEQUENCES);
      await createProgressSchema(client, name);
      await claimTables(client, { side: name, migration: "bench", markers: "marker_bench", tables: [] });
      if (name === "source") await client.query(USED);
      const side = new PostgresSide({
        name,
        session: new DriverSession({ side: name, migration: "bench", open: async () => client, now: () => performance.now() }),
        tables: [{ schema: "public", name: "t" }],
        applierToken: "x",
        markers: "marker_bench",
        now: () => performance.now(),
      });
      await side.warmUp();
      return { client, side };
    }

    it("are set ahead within their limits, and never back", async () => {
      const source = await open("source");
      const target = await open("target");
      await target.client.query("select setval('ahead', 5000)");
      const { sequences } = await source.side.fence("marker", 1_000);
      await target.side.takeSequences(sequences, 1_000);
      assert.deepEqual(await next(target.client), {
        plain: "1501",
        never: "1",
        restarted: "1700",
        down: "-525",
        small: "76",
        spent: "reached the end",
        round: "10",
        big: "9223372036854775404",
        by_seven: "7077",
        full_smallint: "reached the end",
        'Odd "name" %s': "1004",
        ahead: "5001",
      });
      // Nor does a rollback take them back behind what the target has given out.
      const back = await target.side.fence("back", 1_000);
      await source.side.takeSequences(back.sequences, 0);
      const after = await next(source.client);
      assert.equal(after.plain, "1502");
      assert.equal(after.never, "2");
      await source.side.takeSequences(sequences, 0);
      assert.equal((await next(source.client)).plain, "1503", "an older reading takes nothing back");
      await Promise.all([source.client.end(), target.client.end()]);
    });

    it("what was set survives a crash of the server right behind it", async () => {
      const { client, side } = await open("target");
      await client.query("set synchronous_commit = off; insert into t select generate_series(1, 100)");
      await side.takeSequences([{ schema: "public", name: "plain", lastValue: "41" }], 10);
      const database = (await client.query("select current_database() as name")).rows[0].name as string;
      await server.kill9();
      await server.start();
      const again = await server.connect(database);
      assert.equal((await again.query("select nextval('plain') as value")).rows[0].value, "52");
      assert.equal((await again.query("select count(*)::int as n from t")).rows[0].n, 100, "what was applied before it too");
      await again.end();
    });
  });
}

async function next(client: pg.Client): Promise<Record<string, string>> {
  const { rows } = await client.query("select sequencename as name from pg_sequences where schemaname = 'public'");
  const values: Record<string, string> = {};
  for (const { name } of rows as { name: string }[]) {
    try {
      values[name] = String((await client.query("select nextval(quote_ident($1)::regclass) as value", [name])).rows[0].value);
    } catch {
      values[name] = "reached the end";
    }
  }
  return values;
}
