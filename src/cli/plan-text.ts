/** The plan of a migration for people. The shape is that of the workflow's result. */
import { formatBytes, formatCount, formatDuration } from "../observe/units.ts";
import { renderTable, type TableColumn } from "./table.ts";

interface EstimateView {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

export interface MigrationPlanView {
  readonly migration: string;
  readonly digest: string;
  readonly source: string;
  readonly target: string;
  readonly tables: readonly {
    readonly table: string;
    readonly strategy: string;
    readonly key: readonly string[];
    readonly rows: number;
    readonly bytes: number;
    readonly chunks: number;
  }[];
  /** `why` names the table. */
  readonly leftOut: readonly { readonly why: string; readonly fix: string | null; readonly stopsRun: boolean }[];
  readonly notMoved: readonly { readonly object: string; readonly fix: string }[];
  /** `why` names the table. */
  readonly held: readonly { readonly why: string; readonly fix: string }[];
  readonly forecast: {
    readonly totalBytes: number;
    readonly loadHours: EstimateView;
    readonly logBytes: EstimateView;
    readonly confidence: string;
    readonly basis: readonly string[];
  };
  readonly steps: readonly { readonly title: string; readonly undo: string; readonly pointOfNoReturn: boolean }[];
}

const COLUMNS: readonly TableColumn[] = [
  { title: "TABLE" },
  { title: "READ BY" },
  { title: "ROWS", align: "right" },
  { title: "SIZE", align: "right" },
  { title: "CHUNKS", align: "right" },
];

/** `terminal`: aligned for the eye, or separated by tabs. */
export function migrationPlanText(plan: MigrationPlanView, terminal?: boolean): string {
  const { migration, digest, source, target, leftOut, notMoved, held, steps, forecast } = plan;
  return [
    `Migration ${migration}`,
    `from ${source}`,
    `to   ${target}`,
    "",
    renderTable(COLUMNS, tableRows(plan), terminal).trimEnd(),
    "Row counts are estimates from the source's statistics; chunks are the initial ranges.",
    ...leftOut.map(({ why, fix, stopsRun }) => `${stopsRun ? "STOPS RUN" : "left out"}: ${why}${fixLines(fix)}`),
    ...held.map(({ why, fix }) => `HELD: ${why}; ${fix}`),
    ...notMoved.map(({ object, fix }) => `not moved: ${object}; before the cutover, at the target:\n  fix: ${fix};`),
    "",
    "Forecast",
    ...forecastLines(forecast).map((line) => `  ${line}`),
    "",
    "Steps  [how to undo them]",
    ...steps.map(({ title, undo }, place) => `${String(place + 1).padStart(2)}. ${title}  [${undo}]`),
    "",
    `Plan digest: ${digest}`,
  ].join("\n");
}

function fixLines(fix: string | null): string {
  return fix === null ? "" : `\n${fix.replaceAll(/^/gm, "  fix: ")}`;
}

/** The same for a review: a pull request, a ticket. */
export function migrationPlanMarkdown(plan: MigrationPlanView): string {
  const { migration, digest, source, target, leftOut, notMoved, held, steps, forecast } = plan;
  return [
    `# Migration \`${migration}\``,
    "",
    `- plan digest: \`${digest}\``,
    `- from \`${source}\``,
    `- to \`${target}\``,
    "",
    "## Tables",
    "",
    markdownRow(["table", "read by", "rows (estimate)", "size", "chunks (initially)"]),
    markdownRow(["---", "---", "---:", "---:", "---:"]),
    ...tableRows(plan).map(markdownRow),
    ...(leftOut.length + notMoved.length === 0 ? [] : ["", "## Not moved", ""]),
    ...leftOut.map(
      ({ why, fix, stopsRun }) =>
        `- ${stopsRun ? "**stops `pghaul run`**: " : ""}${cell(why)}${fix === null ? "" : `; fix:\n\n${fix.replaceAll(/^/gm, "      ")}\n`}`,
    ),
    ...notMoved.map(({ object, fix }) => `- ${cell(object)}; before the cutover, at the target: \`${fix};\``),
    ...(held.length === 0 ? [] : ["", "## Held", ""]),
    ...held.map(({ why, fix }) => `- ${cell(why)}; ${cell(fix)}`),
    "",
    "## Forecast",
    "",
    ...forecastLines(forecast).map((line) => `- ${line}`),
    "",
    "## Steps",
    "",
    markdownRow(["", "step", "how to undo it"]),
    markdownRow(["---:", "---", "---"]),
    ...steps.map(({ title, undo, pointOfNoReturn }, place) =>
      markdownRow([String(place + 1), pointOfNoReturn ? `**${title}**` : title, undo]),
    ),
  ].join("\n");
}

function tableRows({ tables }: MigrationPlanView): readonly (readonly string[])[] {
  return tables.map(({ table, strategy, key, rows, bytes, chunks }) => [
    table,
    strategy === "key" ? `key (${key.join(", ")})` : "one snapshot, no key",
    formatCount(rows),
    formatBytes(bytes),
    formatCount(chunks),
  ]);
}

function forecastLines({ totalBytes, loadHours, logBytes, confidence, basis }: MigrationPlanView["forecast"]): readonly string[] {
  return [
    `load of ${formatBytes(totalBytes)}: ${range(loadHours, (hours) => formatDuration(hours * 3600))} (confidence: ${confidence})`,
    `change log during the load: ${range(logBytes, formatBytes)} on this machine; the source keeps WAL only until it is in the log`,
    ...basis,
  ];
}

function range({ low, likely, high }: EstimateView, format: (value: number) => string): string {
  return `${format(low)} to ${format(high)}, likely ${format(likely)}`;
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.map(cell).join(" | ")} |`;
}

/** A name may hold anything, and must neither end the cell nor the line. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/[\r\n]+/g, " ");
}
