import type { SeriesPoint } from "../model/series-point.ts";
import { redact } from "../observe/redact.ts";
import { formatBytes, formatCount } from "../observe/units.ts";
import { evidenceText } from "./evidence-text.ts";
import { headline } from "./headline.ts";
import { formatMillis, formatMoment, millisBetween } from "./moments.ts";
import type { Report, ReportSwitch } from "./report.ts";
import { pieces, timeRange } from "./series.ts";

const MOST_ENTRIES = 100;
const MOST_SPARKS = 60;
const SPARKS = "▁▂▃▄▅▆▇█";

/** The report as Markdown, for a ticket or a pull request. Plots are lines of block characters; numbers are the same as in HTML. */
export function markdownPage(report: Report): string {
  const text = [
    `# ${cell(report.migration)}: migration report`,
    `${formatMoment(report.madeAt)} UTC, ${report.status.streaming ? report.status.phase : `not streaming; was ${report.status.phase}`}. All times are UTC.`,
    grid(
      ["", "", ""],
      headline(report).map(({ label, value, note }) => [`**${label}**`, cell(value), cell(note)]),
    ),
    ...errorNote(report),
    "## Over time",
    overTime(report),
    "## Tables",
    tables(report),
    ...(report.held.length === 0 ? [] : ["Held:", report.held.map(({ why, fix }) => `- **HELD** ${cell(why)}; ${cell(fix)}`).join("\n")]),
    ...(report.leftOut.length === 0 ? [] : ["Not moved:", report.leftOut.map(({ why }) => `- ${cell(why)}`).join("\n")]),
    "## Verification",
    verifications(report),
    "## Switches of traffic",
    ...(report.switches.length === 0 ? ["None yet: writes are at the source."] : report.switches.toReversed().map(switchText)),
    "## Journal",
    journal(report),
    "## Commands",
    commands(report),
  ];
  return `${text.join("\n\n")}\n`;
}

function errorNote({ status: { lastError } }: Report): string[] {
  return lastError === null ? [] : [`> **Last error** ${lastError.code}, ${formatMoment(lastError.at)}: ${cell(lastError.message)}`];
}

function overTime(report: Report): string {
  const time = timeRange(report.series);
  if (time === null) return "Nothing was measured yet.";
  const lagged = report.series;
  const row = (
    title: string,
    measure: "lagBytes" | "lagSeconds" | "bytesPerSecond" | "changesPerSecond",
    format: (value: number) => string,
  ): string[] => {
    const series = measure.startsWith("lag") ? lagged : report.series;
    const points = pieces(series, measure).flat();
    const peak = Math.max(0, ...points.map(({ max }) => max));
    return [title, `\`${sparkline(series, measure)}\``, points.length === 0 ? "–" : format(peak)];
  };
  const head = `${formatMoment(new Date(time.from).toISOString())} to ${formatMoment(new Date(time.to).toISOString())}`;
  return grid(
    ["", head, "peak"],
    [
      row("Lag, bytes of WAL", "lagBytes", formatBytes),
      row("Lag, seconds", "lagSeconds", (value) => `${value.toFixed(1)} s`),
      row("Load, bytes per second", "bytesPerSecond", (value) => `${formatBytes(value)}/s`),
      row("Changes applied per second", "changesPerSecond", (value) => `${formatCount(value)}/s`),
    ],
  );
}

/** The highest values over time, one character a slot; a blank where nothing was measured. */
function sparkline(series: readonly SeriesPoint[], measure: "lagBytes" | "lagSeconds" | "bytesPerSecond" | "changesPerSecond"): string {
  const time = timeRange(series) ?? { from: 0, to: 1 };
  const width = Math.min(MOST_SPARKS, series.length);
  const slots: (number | null)[] = Array.from({ length: width }, () => null);
  for (const point of series) {
    const value = point[`${measure}Max`];
    if (value === null) continue;
    const slot = Math.min(width - 1, Math.floor(((point.at - time.from) / (time.to - time.from)) * width));
    slots[slot] = Math.max(slots[slot] ?? 0, value);
  }
  const peak = Math.max(Number.MIN_VALUE, ...slots.map((value) => value ?? 0));
  return slots.map((value) => (value === null ? " " : (SPARKS[Math.round((value / peak) * (SPARKS.length - 1))] ?? " "))).join("");
}

function tables({ tables: all }: Report): string {
  return grid(
    ["Table", "Stage", "Rows loaded", "Bytes loaded", "Chunks", "Load", "Verdict", "at LSN"],
    all.map(({ table, phase, rows, bytes, chunks, loadingAt, loadedAt, verdict }) => [
      cell(table),
      phase,
      formatCount(rows),
      formatBytes(bytes),
      formatCount(chunks),
      formatMillis(millisBetween(loadingAt, loadedAt)),
      verdict === null ? "–" : verdict.equal ? "equal" : "**different**",
      verdict?.lsn ?? "–",
    ]),
  );
}

function verifications({ verifications: all }: Report): string {
  if (all.length === 0) return "None yet: `pghaul verify run`";
  return grid(
    ["Ended", "Verdict", "Tables", "Rows", "Took", "at LSN", "Differences named"],
    all
      .toReversed()
      .map(({ at, tables: count, rows, different, lsn, millis }) => [
        formatMoment(at),
        different.length === 0 ? "equal" : "**different**",
        formatCount(count),
        formatCount(Number(rows)),
        formatMillis(millis),
        lsn,
        different
          .map(({ table, missing, extra, changed }) => `${cell(table)}: ${missing} missing, ${extra} extra, ${changed} changed`)
          .join("; "),
      ]),
  );
}

function switchText({ attempt, to, startedAt, outcome, why, stallMillis, planDigest, steps }: ReportSwitch): string {
  const facts = [
    formatMoment(startedAt),
    ...(stallMillis === null ? [] : [`writes stopped for **${formatMillis(stallMillis)}**`]),
    ...(planDigest === null ? [] : [`plan \`${planDigest}\``]),
    ...(why === null ? [] : [cell(why)]),
  ];
  return `### Attempt ${attempt}, to the ${to}: ${outcome}\n\n${facts.join(" · ")}\n\n${grid(
    ["Step", "State", "Took"],
    steps.map(({ id, state, millis }) => [id, state, formatMillis(millis)]),
  )}`;
}

function journal({ journal: { entries, head, broken } }: Report): string {
  if (entries.length === 0) return "Empty.";
  const check = broken === null ? `The hash chain is intact. Head \`${head}\`` : `**Entry ${broken.seq} does not follow: ${broken.why}.**`;
  const shown = entries.slice(-MOST_ENTRIES).toReversed();
  const left = entries.length > shown.length ? ` The newest ${shown.length} of ${formatCount(entries.length)} entries:` : "";
  const rows = shown.map(({ seq, at, user, host, kind, evidence, hash }) => [
    String(seq),
    formatMoment(at),
    cell(`${user}@${host}`),
    cell(kind),
    cell(evidenceText(evidence)),
    `\`${hash.slice(0, 12)}\``,
  ]);
  return `${check}${left}\n\n${grid(["#", "When", "Who", "What", "Evidence", "Hash"], rows)}`;
}

function commands({ runs }: Report): string {
  if (runs.length === 0) return "None on record.";
  return grid(
    ["Command", "Host", "Started", "Ended", "Outcome"],
    runs.map(({ command, host, startedAt, endedAt, outcome }) => [
      `\`pghaul ${cell(command)}\``,
      cell(host),
      formatMoment(startedAt),
      formatMoment(endedAt),
      outcome ?? "end not recorded",
    ]),
  );
}

function grid(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Text from outside in a cell: redacted, on one line, and not read as markup. */
function cell(text: string): string {
  return redact(text)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/[\\|`*_<>[\]]/g, (character) => `\\${character}`);
}
