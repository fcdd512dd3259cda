import { formatBytes, formatCount } from "../src/observe/units.ts";
import { compareDatabases, type TableComparison } from "../test/support/compare.ts";
import type { Cast } from "./cast.ts";
import type { BooksAudit } from "./payments/application.ts";
import type { CutoverOutcome } from "./switch-writes.ts";

export interface Verdict {
  readonly books: BooksAudit;
  readonly tables: readonly TableComparison[];
  readonly good: boolean;
}

/** What nobody of pghaul's has a say in. Needs an application that has stopped, and a target that has caught up. */
export async function judge({ application, urls }: Cast): Promise<Verdict> {
  const books = await application.audit(application.primary);
  const tables = await compareDatabases(urls.source, urls.target);
  for (const { table, equal, problem } of tables) if (!equal) console.log(`  ${table}: ${problem}`);
  const good = books.lost === 0 && books.doubled === 0 && books.unbalanced === 0 && tables.length > 0 && tables.every(({ equal }) => equal);
  return { books, tables, good };
}

/** What `pghaul report --json` says, as far as it is shown here. */
interface ReportFigures {
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly loadSeconds: number | null;
  readonly bytesPerSecond: number | null;
  readonly changes: number;
  readonly maxChangesPerSecond: number;
  readonly maxLagSeconds: number | null;
  readonly verdict: string | null;
  readonly switches: readonly { readonly to: string; readonly stallMillis: number | null }[];
}

export async function printSummary(
  { operator, application, stages }: Cast,
  verdict: Verdict,
  outcomes: readonly CutoverOutcome[],
): Promise<void> {
  const figures = await operator.ask<ReportFigures>(["report", "--out", "report.html"]);
  const { books, tables } = verdict;
  const rows = tables.reduce((sum, table) => sum + (table.sourceRows ?? 0n), 0n);
  const lines: readonly (readonly [string, string])[] = [
    [
      "loaded",
      `${formatCount(figures.rows)} rows, ${formatBytes(figures.bytes)} in ${(figures.loadSeconds ?? 0).toFixed(1)} s = ${formatBytes(figures.bytesPerSecond ?? 0)}/s`,
    ],
    [
      "followed",
      `${formatCount(figures.changes)} changes, up to ${formatCount(figures.maxChangesPerSecond)}/s; lag at most ${(figures.maxLagSeconds ?? 0).toFixed(1)} s`,
    ],
    ...outcomes.map(({ to, longestRequestMillis, cancelled }, index): readonly [string, string] => [
      `writes to the ${to}`,
      `stopped for ${figures.switches[index]?.stallMillis ?? "?"} ms; the application's slowest request took ${longestRequestMillis} ms${cancelled === 0 ? "" : `; ${cancelled} attempts cancelled before`}`,
    ]),
    [
      "application",
      `${formatCount(books.acknowledged)} transactions acknowledged, ${Math.round(application.transactionsPerSecond)}/s; ${application.tally.refused} retries`,
    ],
    ["its own records", `${books.lost} lost, ${books.doubled} duplicated, ${books.unbalanced} accounts unbalanced`],
    ["pghaul's verdict", `${figures.verdict ?? "none"}`],
    [
      "independent SQL",
      `${tables.filter(({ equal }) => equal).length} of ${tables.length} tables equal, ${formatCount(Number(rows))} rows`,
    ],
    ["report", figures.file],
  ];
  console.log(`\n${verdict.good ? "Nothing lost, nothing duplicated." : "SOMETHING IS WRONG: see above."} Done in ${stages.elapsed}.\n`);
  for (const [label, text] of lines) console.log(`  ${label.padEnd(22)}${text}`);
}
