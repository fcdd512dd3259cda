/** The digest that verification takes of a table, against a sum of hashes that PostgreSQL computes over the same rows. */

import { qualifiedName } from "../../src/postgres/quote.ts";
import { digestSql } from "../../src/side/postgres/compare/digest-queries.ts";
import { readTables } from "../../src/source/catalog.ts";
import type { Place } from "../harness/equal-tables.ts";
import type { Figure } from "../harness/figure.ts";
import { runPairs, seconds } from "../harness/run-pairs.ts";
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
  const figures: Figure[] = [];
  try {
    await client.query("set max_parallel_workers_per_gather = 0");
    for (const table of await readTables(client, { include: ["public.*"], exclude: [] })) {
      stage.tell(`digest ${table.id}`);
      const pairs = await runPairs(
        stage.sizes.pairs,
        () =>
          seconds(() =>
            client.query(digestSql(table, { range: null, keys: "all", from: `only ${qualifiedName(table.schema, table.name)}` })),
          ),
        () => seconds(() => client.query(`select count(*), sum(hashtext(t::text)) from ${table.id} t`)),
      );
      figures.push({
        name: `digest ${table.name}`,
        measures: "verify's digest of the table at one side",
        against: "count(*), sum(hashtext(t::text))",
        unit: "s",
        pairs,
        note: "Ours is MD5 over typed text with lengths, which any server can compute; the peer's hash is 32 bits and PostgreSQL's own.",
      });
    }
  } finally {
    await client.end();
  }
  await dropDatabase(place.server, place.database);
  return figures;
}
