/** The digest that verification takes of a table, against a sum of hashes that PostgreSQL computes over the same rows. */
import type pg from "pg";
import { qualifiedName } from "../../src/postgres/quote.ts";
import { digestSql } from "../../src/side/postgres/compare/digest-queries.ts";
import { readTables } from "../../src/source/catalog.ts";
import type { Place } from "../harness/equal-tables.ts";
import { type Figure, pairOf } from "../harness/figure.ts";
import { privateBytes, withProcessUse } from "../harness/process-use.ts";
import { type Measure, runPairs, timed } from "../harness/run-pairs.ts";
import { dropDatabase, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import { openSession } from "../workload/recorded-changes.ts";
import { NARROW, WIDE } from "../workload/tables.ts";

export async function measureDigest(stage: Stage): Promise<Figure[]> {
  const place: Place = { server: stage.source, database: "digest" };
  await makeDatabase(
    place.server,
    place.database,
    NARROW.create,
    NARROW.fill(stage.sizes.narrowRows),
    WIDE.create,
    WIDE.fill(stage.sizes.wideRows),
  );
  await settle(place.server, place.database);
  const client = await openSession(place);
  const backend = await backendOf(client);
  const figures: Figure[] = [];
  try {
    await client.query("set max_parallel_workers_per_gather = 0");
    for (const table of await readTables(client, { include: ["public.*"], exclude: [] })) {
      stage.tell(`digest ${table.id}`);
      const pairs = await runPairs(
        stage.sizes.pairs,
        () =>
          timed(backend, () =>
            client.query(digestSql(table, { range: null, keys: "all", from: `only ${qualifiedName(table.schema, table.name)}` })),
          ),
        () => timed(backend, () => client.query(`select count(*), sum(hashtext(t::text)) from ${table.id} t`)),
      );
      figures.push({
        name: `digest ${table.name}`,
        measures: "verify's digest of the table at one side",
        against: "count(*), sum(hashtext(t::text))",
        unit: "s",
        pairs: pairs.map(({ ours, peer }) => pairOf(ours, peer)),
        note: "CPU and memory are the server process's, which does all of the work. Ours is MD5 over typed text with lengths, which any server can compute; the peer's hash is 32 bits and PostgreSQL's own.",
      });
    }
  } finally {
    await client.end();
  }
  await dropDatabase(place.server, place.database);
  return figures;
}

/** Both are statements of one session: what they cost, they cost its server process. */
async function backendOf(client: pg.Client): Promise<Measure> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  const pid = rows[0]?.pid ?? 0;
  return (work) => withProcessUse({ pid: () => pid, memory: privateBytes }, work);
}
