/** At which positions the files tell tables: each generation from where it was published on, up to where the table was held, if it was. */
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, maxLsn, minLsn } from "../../../model/lsn.ts";
import { isReadableAt, type TableFiles } from "../storage/directory.ts";

/** The generations of the tables that are asked for, and how far the changes reach. */
export interface RestorableTables {
  readonly tables: ReadonlyMap<string, readonly TableFiles[]>;
  readonly position: Lsn | null;
}

/**
 * The position that is asked for, or the newest. Throws USAGE where the files do not tell the tables at it, with the positions at which they do,
 * and STREAM_NOT_RUNNING where none was asked for and a table is not told at the newest: nobody gets an older state who did not ask for one.
 */
export function restorePosition(of: RestorableTables, asked: Lsn | null): Lsn {
  const newest = of.position ?? 0n;
  const position = asked ?? newest;
  const lacking = [...of.tables].find(([, generations]) => !generations.some((files) => isReadableAt(files, position)));
  if (lacking === undefined && position <= newest) return position;
  const ranges = rangesOf(of, newest);
  const last = ranges.at(-1);
  if (asked === null || last === undefined) throw notTold(lacking, last?.to ?? null);
  const words = ranges.map(({ from, to }) => `from ${formatLsn(from)} to ${formatLsn(to)}`).join(", or ");
  throw new PghaulError("USAGE", `the files do not tell these tables at ${formatLsn(position)}`, {
    context: { lsn: formatLsn(position) },
    suggestion: `Choose a position ${words}.`,
  });
}

function notTold(lacking: readonly [string, readonly TableFiles[]] | undefined, to: Lsn | null): PghaulError {
  const [id, generations] = lacking ?? ["", []];
  const newest = generations.at(-1);
  const why =
    newest?.held == null
      ? newest !== undefined && newest.generation > 1
        ? "is being loaded anew"
        : "was never loaded to its end"
      : `is held since ${formatLsn(newest.held.lsn)} (${newest.held.reason})`;
  return new PghaulError("STREAM_NOT_RUNNING", `${id} ${why}, so the files do not tell it at the newest position`, {
    context: { table: id },
    ...(to === null
      ? {}
      : { suggestion: `Add --at ${formatLsn(to)}, the newest position at which all of them are told, or leave the table out.` }),
  });
}

interface Range {
  readonly from: Lsn;
  readonly to: Lsn;
}

/** Where all tables are told, in order. */
function rangesOf({ tables }: RestorableTables, newest: Lsn): readonly Range[] {
  const begins = [...tables.values()].flatMap((generations) => generations.flatMap(({ published }) => published ?? []));
  const ranges: Range[] = [];
  for (const from of [...new Set(begins)].sort((a, b) => (a < b ? -1 : 1))) {
    const ends = [...tables.values()].map((generations) => endOf(generations, from, newest));
    if (ends.includes(null) || ranges.some((range) => from <= range.to)) continue;
    ranges.push({ from, to: (ends as Lsn[]).reduce(minLsn, newest) });
  }
  return ranges.filter(({ from, to }) => from <= to);
}

/** Up to where a table is told without a gap. */
function endOf(generations: readonly TableFiles[], from: Lsn, newest: Lsn): Lsn | null {
  const ends = generations.flatMap((files) => (isReadableAt(files, from) ? [files.held?.lsn ?? newest] : []));
  return ends.length === 0 ? null : ends.reduce(maxLsn, 0n);
}
