/** Resident memory of `pghaul run` while it moves one large table. */
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import type { Figure } from "../harness/figure.ts";
import { runPghaul } from "../harness/pghaul.ts";
import { dropDatabase, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import { LARGE } from "../workload/tables.ts";

const LIMIT_MB = 400;
const ROW_BYTES = 1_000;

export async function measureMemory(stage: Stage): Promise<Figure[]> {
  const { memoryBytes } = stage.sizes;
  const source: Place = { server: stage.source, database: "large_source" };
  const target: Place = { server: stage.target, database: "large_target" };
  stage.tell(`memory: filling ${memoryBytes / 1e6} MB`);
  await makeDatabase(source.server, source.database, LARGE.create, LARGE.fill(memoryBytes / ROW_BYTES));
  await makeDatabase(target.server, target.database, LARGE.create);
  await settle(source.server, source.database);
  stage.tell("memory: pghaul run");
  const { peakBytes } = await runPghaul({
    args: ["run", "--until", "caught-up"],
    source,
    target,
    tables: [LARGE.name],
    dir: stage.dir,
  });
  await requireEqual(source, target, [LARGE.name]);
  await dropDatabase(source.server, source.database);
  await dropDatabase(target.server, target.database);
  return [
    {
      name: "memory",
      measures: `peak resident memory of run over a table of ${memoryBytes / 1e6} MB`,
      against: `the limit of ${LIMIT_MB} MB`,
      unit: "MB",
      pairs: [{ ours: peakBytes / 1e6, peer: LIMIT_MB }],
      note: "VmHWM of the one process, default settings: 4 workers.",
    },
  ];
}
