/** Many tables of a few rows: what a table costs before its first row moves. */
import { clientTool } from "../harness/client-tools.ts";
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import { type Figure, pairOf } from "../harness/figure.ts";
import { runPghaul } from "../harness/pghaul.ts";
import { withChildrenUse } from "../harness/process-use.ts";
import { runPipe } from "../harness/processes.ts";
import { runPairs, timed } from "../harness/run-pairs.ts";
import { copyDatabase, dropDatabase, makeDatabase, type Stage, settle } from "../harness/stage.ts";

const SOURCE = "small_source";
const EMPTY = "small_empty";
const ROWS = 100;

export async function measureSmallTables(stage: Stage): Promise<Figure[]> {
  const [dump, psql] = [clientTool("pg_dump"), clientTool("psql")];
  const names = Array.from({ length: stage.sizes.smallTables }, (_, place) => `public.small_${place}`);
  const create = names.map((name) => `create table ${name} (id bigint primary key, note text not null)`);
  const fill = names.map((name) => `insert into ${name} select i, 'row ' || i from generate_series(1, ${ROWS}) i`);
  await makeDatabase(stage.source, SOURCE, ...create, ...fill);
  await makeDatabase(stage.target, EMPTY, ...create);
  await settle(stage.source, SOURCE);
  const source: Place = { server: stage.source, database: SOURCE };
  const into = async <T>(copy: (target: Place) => Promise<T>): Promise<T> => {
    const target: Place = { server: stage.target, database: await copyDatabase(stage.target, "small_target", EMPTY) };
    try {
      const result = await copy(target);
      await requireEqual(source, target, sample(names));
      return result;
    } finally {
      await dropDatabase(stage.target, target.database);
    }
  };
  const pairs = await runPairs(
    stage.sizes.pairs,
    (run) =>
      into((target) => {
        stage.tell(`small tables: pghaul, run ${run + 1}`);
        return runPghaul({ args: ["snapshot", "run"], source, target, tables: ["public.small_*"], dir: stage.dir });
      }),
    (run) =>
      into((target) => {
        stage.tell(`small tables: pg_dump, run ${run + 1}`);
        return timed(withChildrenUse, () =>
          runPipe(
            [dump, "--data-only", "-t", "public.small_*", "-d", source.server.url(SOURCE)],
            [psql, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", target.server.url(target.database)],
          ),
        );
      }),
  );
  await dropDatabase(stage.source, SOURCE);
  await dropDatabase(stage.target, EMPTY);
  return [
    {
      name: "small tables",
      measures: `snapshot run of ${names.length} tables of ${ROWS} rows, from the first chunk to the last table`,
      against: "pg_dump --data-only | psql -1",
      unit: "s",
      pairs: pairs.map(({ ours, peer }) => pairOf({ seconds: ours.loadSeconds, use: ours.use }, peer)),
      note: "The peer takes one snapshot and commits once. Ours takes and rolls forward a snapshot a table, and commits each durably; our CPU is the whole command's.",
    },
  ];
}

/** Reading them all would take longer than the copy. */
function sample(names: readonly string[]): readonly string[] {
  return names.filter((_, place) => place % 10 === 0);
}
