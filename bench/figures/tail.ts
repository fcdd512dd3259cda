/** Slot to durable log, against pg_recvlogical writing the same stream to a file. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { formatLsn } from "../../src/model/lsn.ts";
import { clientTool } from "../harness/client-tools.ts";
import { type Figure, pairOf, type Timed } from "../harness/figure.ts";
import { withChildrenUse, withOwnUse } from "../harness/process-use.ts";
import { runProgram } from "../harness/processes.ts";
import { runPairs, timed } from "../harness/run-pairs.ts";
import type { Stage } from "../harness/stage.ts";
import { CHANGE_STREAMS } from "../workload/changes.ts";
import {
  forgetChanges,
  PUBLICATION,
  type RecordedChanges,
  recordChanges,
  type TailCounts,
  tailAll,
  withSlot,
  withTailParts,
} from "../workload/recorded-changes.ts";

export async function measureTail(stage: Stage): Promise<Figure[]> {
  const tool = clientTool("pg_recvlogical");
  const figures: Figure[] = [];
  for (const stream of CHANGE_STREAMS) {
    const changes = await recordChanges(stage, stream);
    const pairs = await runPairs(
      stage.sizes.pairs,
      (run) => tailOurs(changes, run),
      (run) => tailPeer(changes, tool, run),
    );
    for (const { ours, peer } of pairs) checkSize(ours, peer.fileBytes);
    await forgetChanges(changes);
    figures.push({
      name: `tail ${stream.name}`,
      measures: `slot to fsynced, recorded, acknowledged log: ${stream.changes(stage.sizes)} ${stream.title}`,
      against: "pg_recvlogical into a file",
      unit: "s",
      pairs: pairs.map(({ ours, peer }) => pairOf(ours, peer)),
      note: "Copies of one slot. Ours indexes, compresses and fsyncs each group commit; the peer writes raw and fsyncs once a second.",
    });
  }
  return figures;
}

async function tailOurs(changes: RecordedChanges, run: number): Promise<TailCounts & Timed> {
  changes.stage.tell(`tail ${changes.stream.title}: pghaul, run ${run + 1}`);
  const dir = mkdtempSync(join(changes.stage.dir, "tail-"));
  try {
    const { result: counts, use } = await withSlot(changes, "bench_ours", (slot) =>
      withTailParts(changes, slot, dir, (parts) => withOwnUse(() => tailAll(changes, parts))),
    );
    const wanted = changes.stream.changes(changes.stage.sizes);
    // The marker's one or two updates come on top.
    if (counts.changes <= wanted || counts.changes > wanted + 2) throw new Error(`the log holds ${counts.changes} changes of ${wanted}`);
    return { ...counts, use };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function tailPeer(changes: RecordedChanges, tool: string, run: number): Promise<Timed & { fileBytes: number }> {
  changes.stage.tell(`tail ${changes.stream.title}: pg_recvlogical, run ${run + 1}`);
  const file = join(changes.stage.dir, "recvlogical");
  const { server, database } = changes.source;
  const taken = await withSlot(changes, "bench_peer", (slot) =>
    timed(withChildrenUse, () =>
      runProgram([
        tool,
        "--start",
        "--no-loop",
        "--slot",
        slot,
        "--dbname",
        server.url(database),
        "--file",
        file,
        "--fsync-interval",
        "1",
        "--endpos",
        formatLsn(changes.goal),
        "--option",
        "proto_version=1",
        "--option",
        `publication_names=${PUBLICATION}`,
      ]),
    ),
  );
  const fileBytes = statSync(file).size;
  rmSync(file);
  return { ...taken, fileBytes };
}

/** The peer's file holds the same messages, a newline after each: at least our bytes, and not much more. */
function checkSize({ bytes }: TailCounts, fileBytes: number): void {
  if (fileBytes < bytes * 0.98 || fileBytes > bytes * 1.1)
    throw new Error(`pg_recvlogical wrote ${fileBytes} bytes, the log holds ${bytes}`);
}
