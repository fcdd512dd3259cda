/** A database from nothing to complete: schema, rows, indexes, keys. Against pgcopydb where it is installed, else pg_dump and pg_restore. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { query } from "../../test/support/database.ts";
import { clientTool, MissingTool } from "../harness/client-tools.ts";
import { type Place, requireEqual } from "../harness/equal-tables.ts";
import { type Figure, pairOf, type Timed } from "../harness/figure.ts";
import { runPghaul } from "../harness/pghaul.ts";
import { withChildrenUse } from "../harness/process-use.ts";
import { runProgram } from "../harness/processes.ts";
import { runPairs, timed } from "../harness/run-pairs.ts";
import { dropDatabase, makeDatabase, type Stage, settle } from "../harness/stage.ts";
import { NARROW, WIDE } from "../workload/tables.ts";

const SOURCE = "clone_source";
const TABLES = [NARROW.name, WIDE.name];
const JOBS = "2";
const INDEXES = [
  "create index on public.narrow (account)",
  "create index on public.narrow (at)",
  "create index on public.wide (tenant)",
  "create index on public.wide using gin (tags)",
];

interface Peer {
  readonly name: string;
  readonly clone: (source: string, target: string, dir: string) => Promise<void>;
}

export async function measureClone(stage: Stage): Promise<Figure[]> {
  const peer = findPeer();
  const { narrowRows, wideRows } = stage.sizes;
  await makeDatabase(stage.source, SOURCE, NARROW.create, NARROW.fill(narrowRows), WIDE.create, WIDE.fill(wideRows), ...INDEXES);
  await settle(stage.source, SOURCE);
  const source: Place = { server: stage.source, database: SOURCE };
  const pairs = await runPairs(
    stage.sizes.pairs,
    (run) => intoNew(stage, source, `clone: pghaul, run ${run + 1}`, (target) => cloneOurs(stage, source, target)),
    (run) => intoNew(stage, source, `clone: ${peer.name}, run ${run + 1}`, (target) => clonePeer(stage, peer, source, target)),
  );
  await dropDatabase(stage.source, SOURCE);
  return [
    {
      name: "clone",
      measures: `run of ${narrowRows} narrow and ${wideRows} wide rows with schema, ${INDEXES.length} indexes and primary keys, until caught up`,
      against: peer.name,
      unit: "s",
      pairs: pairs.map(({ ours, peer }) => pairOf(ours, peer)),
      note: "The whole command. Ours tails the slot meanwhile, and has the primary keys in place while it loads.",
    },
  ];
}

function findPeer(): Peer {
  try {
    const pgcopydb = clientTool("pgcopydb");
    return {
      name: `pgcopydb clone, ${JOBS} jobs`,
      clone: (source, target, dir) =>
        runProgram([pgcopydb, "clone", "--source", source, "--target", target, "--dir", dir, "--table-jobs", JOBS, "--index-jobs", JOBS]),
    };
  } catch (error) {
    if (!(error instanceof MissingTool)) throw error;
  }
  const [dump, restore] = [clientTool("pg_dump"), clientTool("pg_restore")];
  return {
    name: `pg_dump -Fd -Z0 -j${JOBS}, pg_restore -j${JOBS}`,
    clone: async (source, target, dir) => {
      await runProgram([dump, "-Fd", "-Z0", "-j", JOBS, "-f", join(dir, "dump"), "-d", source]);
      await runProgram([restore, "-j", JOBS, "-d", target, join(dir, "dump")]);
    },
  };
}

async function cloneOurs({ dir }: Stage, source: Place, target: Place): Promise<Timed> {
  const { wholeSeconds, use } = await runPghaul({
    args: ["run", "--until", "caught-up"],
    source,
    target,
    tables: TABLES,
    dir,
    schema: "move",
  });
  return { seconds: wholeSeconds, use };
}

async function clonePeer(stage: Stage, peer: Peer, source: Place, target: Place): Promise<Timed> {
  const dir = mkdtempSync(join(stage.dir, "clone-"));
  try {
    const [from, to] = [source, target].map(({ server, database }) => server.url(database)) as [string, string];
    return await timed(withChildrenUse, () => peer.clone(from, to, dir));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function intoNew(stage: Stage, source: Place, what: string, clone: (target: Place) => Promise<Timed>): Promise<Timed> {
  stage.tell(what);
  const target: Place = { server: stage.target, database: "clone_target" };
  await makeDatabase(target.server, target.database);
  try {
    const taken = await clone(target);
    await requireEqual(source, target, TABLES);
    await requireSameIndexes(source, target);
    return taken;
  } finally {
    await dropDatabase(target.server, target.database);
  }
}

async function requireSameIndexes(one: Place, other: Place): Promise<void> {
  const sql = "select indexdef from pg_indexes where schemaname = 'public' order by 1";
  const [left, right] = await Promise.all(
    [one, other].map(async ({ server, database }) => JSON.stringify(await query(server.url(database), sql))),
  );
  if (left !== right) throw new Error(`the indexes differ: ${left} and ${right}`);
}
