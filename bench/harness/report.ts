import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Figure, type Skipped, type Summary, summarise } from "./figure.ts";
import type { Machine } from "./machine.ts";
import { curveText } from "./memory-curve.ts";
import type { Sizes } from "./options.ts";
import type { Use } from "./process-use.ts";

export interface Report {
  readonly sizes: Sizes;
  readonly machine: Machine;
  readonly figures: readonly Figure[];
  readonly skipped: readonly Skipped[];
}

const DOCUMENT = fileURLToPath(new URL("../../docs/bench.md", import.meta.url));
const HEAD = ["figure", "ratio", "lowest - highest", "pghaul", "peer", "client CPU", "client memory", "runs", "against"] as const;

const DIGITS = { s: 2, ms: 1, MB: 0 } as const;

/** Every figure with the summary that a reader would otherwise make himself. */
export function jsonReport({ figures, ...rest }: Report): object {
  return { schemaVersion: 1, ...rest, figures: figures.map((figure) => ({ ...figure, ...summarise(figure) })) };
}

export function textTable(report: Report): string {
  const rows = [HEAD, ...report.figures.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return ["", describe(report), "", ...lines, "", ...curveLines(report), ...skippedLines(report)].join("\n");
}

/** One more section of docs/bench.md. */
export function appendMarkdown(report: Report): void {
  appendFileSync(DOCUMENT, markdown(report));
}

export function markdown(report: Report): string {
  const line = (row: readonly string[]) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rows = [line(HEAD), line(HEAD.map(() => "---")), ...report.figures.map((figure) => line(cells(figure)))];
  return [
    `\n## ${report.machine.at.slice(0, 10)}, ${report.sizes.name}`,
    "",
    describe(report),
    "",
    ...rows,
    "",
    ...curveLines(report),
    ...skippedLines(report),
    "",
  ].join("\n");
}

function cells(figure: Figure): string[] {
  const summary = summarise(figure);
  const amount = (value: number) => `${value.toFixed(DIGITS[figure.unit])} ${figure.unit}`;
  return [
    figure.name,
    summary.ratio.toFixed(2),
    spread(figure, summary),
    amount(summary.ours),
    amount(summary.peer),
    both(summary.use, ({ cpuSeconds }) => `${cpuSeconds.toFixed(2)} s`),
    both(summary.use, ({ peakBytes }) => `${(peakBytes / 1e6).toFixed(0)} MB`),
    String(figure.pairs.length),
    figure.against,
  ];
}

function both({ ours, peer }: Summary["use"], text: (use: Use) => string): string {
  return peer === null ? text(ours) : `${text(ours)} / ${text(peer)}`;
}

function spread({ pairs }: Figure, { lowest, highest }: Summary): string {
  return pairs.length === 1 ? "" : `${lowest.toFixed(2)} - ${highest.toFixed(2)}`;
}

function describe({ machine, sizes }: Report): string {
  const { cpu, cores, memoryBytes, load, node, server, clients } = machine;
  const programs = clients === null ? "no client programs" : `clients ${clients}`;
  return `${cores} x ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB, load ${load.join(" ")}; Node ${node}, ${server}, ${programs}; ${sizes.name} sizes.
The ratio is pghaul's amount divided by the peer's, the median over the pairs: below 1 is better than the peer.`;
}

function curveLines({ figures }: Report): string[] {
  return figures.flatMap(({ name, curve }) => (curve === undefined ? [] : [`${name}, MB: ${curveText(curve)}`]));
}

function skippedLines({ skipped }: Report): string[] {
  return skipped.map(({ name, why }) => `${name}: skipped, ${why}`);
}
