import { formatBytes, formatCount, formatDuration } from "../observe/units.ts";
import type { Estimate, Forecast } from "./forecast.ts";
import type { MigrationPlan } from "./migration-plan.ts";

/** The plan for a terminal. */
export function planText(plan: MigrationPlan): string {
  return [
    `migration ${plan.migration}, plan ${plan.digest}`,
    `from ${plan.source}`,
    `to   ${plan.target}`,
    "",
    "tables",
    ...tableCells(plan).map((cells) => `  ${cells.join("\t")}`),
    ...plan.leftOut.map(({ table, why, fix }) => `  left out: ${table}: ${why}${fix === null ? "" : ` (${fix})`}`),
    "",
    "steps",
    ...plan.steps.map(({ title }, place) => `  ${place + 1}. ${title}`),
    "",
    "forecast",
    ...forecastLines(plan.forecast).map((line) => `  ${line}`),
    "",
  ].join("\n");
}

/** The same as Markdown, for a review. */
export function planMarkdown(plan: MigrationPlan): string {
  const [head = [], ...rows] = tableCells(plan);
  return [
    `# Plan of migration ${plan.migration}`,
    "",
    `Digest \`${plan.digest}\`. From \`${plan.source}\` to \`${plan.target}\`.`,
    "",
    "## Tables",
    `| ${head.join(" | ")} |`,
    `| ${head.map(() => "---").join(" | ")} |`,
    ...rows.map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`),
    "",
    ...plan.leftOut.map(({ table, why, fix }) => `- **left out** \`${table}\`: ${why}${fix === null ? "" : `; \`${fix}\``}`),
    "",
    "## Steps",
    ...plan.steps.map(({ title, pointOfNoReturn }, place) => `${place + 1}. ${pointOfNoReturn ? `**${title}**` : title}`),
    "",
    "## Forecast",
    ...forecastLines(plan.forecast).map((line) => `- ${line}`),
    "",
  ].join("\n");
}

/** Header first. */
function tableCells({ tables }: MigrationPlan): string[][] {
  const rows = tables.map(({ table, strategy, key, rows: count, bytes, chunks }) => [
    table,
    strategy === "key" ? `chunks by ${key.join(", ")}` : "one snapshot (no key)",
    formatCount(count),
    formatBytes(bytes),
    formatCount(chunks),
  ]);
  return [["table", "strategy", "rows (about)", "size", "ranges"], ...rows];
}

function forecastLines({ totalBytes, loadHours, logBytes, confidence, basis }: Forecast): string[] {
  const hours = ({ low, likely, high }: Estimate): string =>
    `${formatDuration(low * 3600)} to ${formatDuration(high * 3600)}, likely ${formatDuration(likely * 3600)}`;
  return [
    `${formatBytes(totalBytes)} to load: ${hours(loadHours)} (confidence: ${confidence})`,
    `the change log grows by ${formatBytes(logBytes.low)} to ${formatBytes(logBytes.high)} meanwhile, on this machine; the source keeps no WAL for it`,
    ...basis,
  ];
}
