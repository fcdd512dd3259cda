/** The copy of one table, narrow and wide, against `psql -c "copy to stdout" | psql -c "copy from stdin"` of the same table. */
import { clientTool } from "../harness/client-tools.ts";
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import { type Figure, pairOf, type Timed } from "../harness/figure.ts";
import { runPghaul } from "../harness/pghaul.ts";
import { withChildrenUse } from "../harness/process-use.ts";
import { runPipe, runProgram } from "../harness/processes.ts";
import { runPairs, timed } from "../harness/run-pairs.ts";
import { copyDatabase, dropDatabase, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import { NARROW, type TableRecipe, WIDE } from "../workload/tables.ts";

const SOURCE = "copy_source";
const EMPTY = "copy_empty";

export async function measureCopy(stage: Stage): Promise<Figure[]> {
  const psql = clientTool("psql");
  const tables: readonly (readonly [TableRecipe, number])[] = [
    [NARROW, stage.sizes.narrowRows],
    [WIDE, stage.sizes.wideRows],
  ];
  await makeDatabase(stage.source, SOURCE, ...tables.flatMap(([{ create, fill }, rows]) => [create, fill(rows)]));
  await makeDatabase(stage.target, EMPTY, ...tables.map(([{ create }]) => create));
  await settle(stage.source, SOURCE);
  const figures: Figure[] = [];
  for (const [{ name }] of tables) figures.push(...(await copyOne(stage, psql, name)));
  await dropDatabase(stage.source, SOURCE);
  await dropDatabase(stage.target, EMPTY);
  return figures;
}

async function copyOne(stage: Stage, psql: string, table: string): Promise<Figure[]> {
  const source: Place = { server: stage.source, database: SOURCE };
  const pairs = await runPairs(
    stage.sizes.pairs,
    (run) =>
      intoEmpty(stage, source, table, (target) => {
        stage.tell(`copy ${table}: pghaul, run ${run + 1}`);
        return runPghaul({ args: ["snapshot", "run"], source, target, tables: [table], dir: stage.dir });
      }),
    (run) =>
      intoEmpty(stage, source, table, async (target) => {
        stage.tell(`copy ${table}: psql, run ${run + 1}`);
        return runPsql(psql, source, target, table);
      }),
  );
  const short = table.replace("public.", "");
  return [
    {
      name: `copy ${short}`,
      measures: "snapshot run, from the first chunk to the complete table",
      against: "psql copy | psql copy",
      unit: "s",
      pairs: pairs.map(({ ours, peer }) => pairOf({ seconds: ours.loadSeconds, use: ours.use }, peer.copy)),
      note: "Primary key in place on both sides. Ours reads in key order, 4 chunks at once, while it tails the slot; the peer is one pipe. Our CPU is the whole command's.",
    },
    {
      name: `copy ${short}, whole`,
      measures: "snapshot run, the whole command",
      against: "psql copy | psql copy, then analyze",
      unit: "s",
      pairs: pairs.map(({ ours, peer }) => pairOf({ seconds: ours.wholeSeconds, use: ours.use }, peer.whole)),
      note: "Ours with catalog, checks of the target, publication, slot, barrier, statistics, sequences.",
    },
  ];
}

async function intoEmpty<T>(stage: Stage, source: Place, table: string, copy: (target: Place) => Promise<T>): Promise<T> {
  const target: Place = { server: stage.target, database: await copyDatabase(stage.target, "copy_target", EMPTY) };
  try {
    const result = await copy(target);
    await requireEqual(source, target, [table]);
    return result;
  } finally {
    await dropDatabase(stage.target, target.database);
  }
}

async function runPsql(psql: string, source: Place, target: Place, table: string): Promise<{ copy: Timed; whole: Timed }> {
  const at = ({ server, database }: Place): string[] => [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url(database), "-c"];
  const copy = await timed(withChildrenUse, () =>
    runPipe([...at(source), `copy ${table} to stdout`], [...at(target), `copy ${table} from stdin`]),
  );
  const analyze = await timed(withChildrenUse, () => runProgram([...at(target), `analyze ${table}`]));
  const use = { cpuSeconds: copy.use.cpuSeconds + analyze.use.cpuSeconds, peakBytes: Math.max(copy.use.peakBytes, analyze.use.peakBytes) };
  return { copy, whole: { seconds: copy.seconds + analyze.seconds, use } };
}
