import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { ConfigLocation } from "../../config/load-config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { headline } from "../../report/headline.ts";
import { htmlPage } from "../../report/html-page.ts";
import { markdownPage } from "../../report/markdown-page.ts";
import type { Report } from "../../report/report.ts";
import { readReport } from "./read-report.ts";

export interface WrittenReport {
  readonly migration: string;
  /** The HTML file, absolute. */
  readonly file: string;
  /** The same as Markdown. */
  readonly markdown: string;
  readonly rows: number;
  readonly bytes: number;
  readonly loadSeconds: number | null;
  readonly bytesPerSecond: number | null;
  readonly changes: number;
  readonly maxChangesPerSecond: number;
  readonly maxLagSeconds: number | null;
  /** The last verification's; null before the first. */
  readonly verdict: "equal" | "different" | null;
  /** Of the switches that took place, in order. */
  readonly switches: readonly { readonly to: string; readonly stallMillis: number | null }[];
  readonly journal: { readonly entries: number; readonly whole: boolean };
  /** The same numbers as lines for a person. */
  readonly headline: readonly string[];
}

export interface ReportRequest {
  readonly location: ConfigLocation;
  /** Where the HTML goes, relative to the current directory; null: MIGRATION-report.html there. Markdown goes beside it. */
  readonly file: string | null;
}

/** Writes both forms, each whole or not at all. Throws CONFIG_INVALID when a file cannot be written. */
export async function writeReport({ location, file }: ReportRequest): Promise<WrittenReport> {
  const report = await readReport(location);
  const htmlFile = path.resolve(file ?? `${report.migration}-report.html`);
  const markdownFile = htmlFile.replace(/(?:\.html?)?$/, ".md");
  replaceFile(htmlFile, htmlPage(report));
  replaceFile(markdownFile, markdownPage(report));
  return { file: htmlFile, markdown: markdownFile, ...figures(report) };
}

function replaceFile(file: string, text: string): void {
  try {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new PghaulError("CONFIG_INVALID", `the report cannot be written to ${file} (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}

function figures(report: Report): Omit<WrittenReport, "file" | "markdown"> {
  const { load, series, switches, journal, streams } = report;
  const lags = report.series.flatMap(({ lagSecondsMax }) => lagSecondsMax ?? []);
  return {
    migration: report.migration,
    rows: load.rows,
    bytes: load.bytes,
    loadSeconds: load.bytesPerSecond === null ? null : load.bytes / load.bytesPerSecond,
    bytesPerSecond: load.bytesPerSecond,
    changes: streams.reduce((sum, stream) => sum + stream.changes, 0),
    maxChangesPerSecond: series.reduce((most, point) => Math.max(most, point.changesPerSecondMax), 0),
    maxLagSeconds: lags.length === 0 ? null : lags.reduce((most, lag) => Math.max(most, lag)),
    verdict: verdictOf(report),
    switches: switches.flatMap(({ outcome, to, stallMillis }) => (outcome === "switched" ? [{ to, stallMillis }] : [])),
    journal: { entries: journal.entries.length, whole: journal.broken === null },
    headline: headline(report).map(({ label, value, note }) => `${label}: ${value} (${note})`),
  };
}

/** Of the whole migration; null while a table has not been compared and none differs. */
function verdictOf({ tables }: Report): WrittenReport["verdict"] {
  if (tables.some(({ verdict }) => verdict?.equal === false)) return "different";
  return tables.length > 0 && tables.every(({ verdict }) => verdict?.equal === true) ? "equal" : null;
}
