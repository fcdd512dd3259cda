import { PghaulError } from "../../errors/pghaul-error.ts";
import { otherSide, type SideName } from "../../model/side.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { missingPartitions, type UnlikePartition, unlikePartitions } from "../../source/changes/missing-partitions.ts";
import { TableStore } from "../../state/table-store.ts";
import type { Migration } from "../open-migration.ts";

/** check_violation without the name of a constraint: no partition for the row (execPartition.c, ExecFindPartition). */
function isPartitionMissing(error: unknown): error is PghaulError {
  return (
    error instanceof PghaulError &&
    (error.code === "TARGET_QUERY" || error.code === "SOURCE_QUERY") &&
    sqlState(error) === "23514" &&
    error.context.constraint === undefined
  );
}

/**
 * The error as it came, unless the side that a stream writes lacks a partition for a row: then PARTITION_MISSING, with the statements that
 * make what the other side has more, or that give the row's table the bounds which it has there. That side's catalog is asked, so a partition
 * that was dropped there since cannot be named.
 */
export async function namePartitions(migration: Migration, error: unknown): Promise<unknown> {
  if (!isPartitionMissing(error)) return error;
  const downstream: SideName = error.code === "SOURCE_QUERY" ? "source" : "target";
  const upstream = otherSide(downstream);
  const tables = new TableStore(migration.state).all().map(({ table }) => table);
  const table = String(error.context.table ?? "");
  const found = await migration
    .session(upstream, "partitions", (has) =>
      migration.session(downstream, "partitions", async (lacks) => ({
        missing: await missingPartitions(has, lacks, tables),
        unlike: await unlikePartitions(
          has,
          lacks,
          tables.filter(({ id }) => id === table),
        ),
      })),
    )
    .catch(() => null);
  const { missing, unlike } = found ?? { missing: [], unlike: [] };
  if (missing.length === 0 && unlike.length > 0) return unlikeError(downstream, table, unlike);
  if (missing.length === 0) {
    const why =
      found === null
        ? `the ${upstream} could not be queried for it`
        : `the ${downstream} has every partition of the ${upstream}: the row's was dropped or detached there since`;
    return new PghaulError("PARTITION_MISSING", `${table}: the ${downstream} has no partition for a row of the stream, and ${why}`, {
      context: { table },
      side: downstream,
      suggestion: `create a partition of ${table} at the ${downstream} that takes it (create table ... partition of ... default); then run: pghaul run, and pghaul verify run`,
    });
  }
  const bounds = missing.map(({ name, bound }) => `${name} (${bound})`);
  const shown = bounds.slice(0, 5).join(", ") + (bounds.length > 5 ? ` and ${bounds.length - 5} more` : "");
  return new PghaulError("PARTITION_MISSING", `${table}: the ${downstream} has no partition for a row of the stream; it lacks ${shown}`, {
    context: { table },
    side: downstream,
    suggestion: `${missing.map(({ sql }) => `${sql};`).join(" ")}   -- at the ${downstream}; then: pghaul run`,
  });
}

function unlikeError(downstream: SideName, table: string, unlike: readonly UnlikePartition[]): PghaulError {
  const bounds = unlike.map(({ name, here, there }) => `${name} is ${there} there and ${here} at the ${otherSide(downstream)}`);
  const steps = [...unlike.map(({ detach }) => detach), ...unlike.map(({ attach }) => attach)];
  return new PghaulError(
    "PARTITION_MISSING",
    `${table}: the ${downstream} has no partition for a row of the stream; ${bounds.join("; ")}`,
    {
      context: { table },
      side: downstream,
      suggestion: `begin; ${steps.map((sql) => `${sql};`).join(" ")} commit;   -- at the ${downstream}; then: pghaul run`,
    },
  );
}
