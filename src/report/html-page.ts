import { formatBytes, formatCount } from "../observe/units.ts";
import { evidenceText } from "./evidence-text.ts";
import { headline } from "./headline.ts";
import { loadBars } from "./load-bars.ts";
import { type Content, html, Markup } from "./markup.ts";
import { formatMillis, formatMoment, millisBetween } from "./moments.ts";
import { type PlotEvent, plot } from "./plot.ts";
import type { Report, ReportSwitch, ReportTable, ReportVerification } from "./report.ts";
import { pieces, timeRange } from "./series.ts";
import { STYLE } from "./style.ts";

/** More journal than this is for a program to read; the chain is checked over all of it. */
const MOST_ENTRIES = 1_000;

/** The report as one HTML file: styles and plots inside, no script, nothing fetched, light or dark as the reader's system is. */
export function htmlPage(report: Report): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${`${report.migration}: migration report`}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>${report.migration}</h1>
<p>${statusLine(report)}</p>
</header>
${errorNote(report)}
<section class="facts">${headline(report).map(
    ({
      label,
      value,
      note,
      mood,
    }) => html`<div class="fact ${mood ?? ""}"><b>${label}</b><strong>${value}</strong><span>${note}</span></div>
`,
  )}</section>
<h2>Over time</h2>
${plots(report)}
<h2>Tables</h2>
${loadBars(report.tables)}
${tablesTable(report.tables)}
${report.held.length === 0 ? "" : html`<p>Held:</p><ul>${report.held.map(({ why, fix }) => html`<li><strong>HELD</strong> ${why}; ${fix}</li>`)}</ul>`}
${report.leftOut.length === 0 ? "" : html`<p>Not moved:</p><ul>${report.leftOut.map(({ why }) => html`<li>${why}</li>`)}</ul>`}
<h2>Verification</h2>
${verificationTable(report.verifications)}
<h2>Switches of traffic</h2>
${report.switches.length === 0 ? html`<p class="none">None yet: writes are at the source.</p>` : report.switches.toReversed().map(switchSection)}
<h2>Journal</h2>
${journalTable(report)}
<h2>Commands</h2>
${commandTable(report)}
<footer>Made by pghaul ${formatMoment(report.madeAt)} from the state directory alone. All times are UTC, kB = 1,000 bytes.</footer>
</body>
</html>
`;
  return page.text;
}

function statusLine({ status, madeAt }: Report): string {
  const phase = status.streaming ? `${status.phase}, a process is streaming` : `no process is streaming; the last one was ${status.phase}`;
  return `Migration report of ${formatMoment(madeAt)} UTC · ${phase}`;
}

function errorNote({ status: { lastError } }: Report): Markup | null {
  return lastError === null
    ? null
    : html`<p class="error"><b>Last error</b> ${lastError.code}, ${formatMoment(lastError.at)}: ${lastError.message}</p>`;
}

function plots(report: Report): Content {
  const { series } = report;
  const time = timeRange(series);
  if (time === null) return html`<p class="none">Nothing was measured yet.</p>`;
  const lag = report.series;
  const common = { time, events: eventsOf(report).filter(({ at }) => at >= time.from && at <= time.to) };
  return [
    plot({ ...common, title: "Lag, bytes of WAL", pieces: pieces(lag, "lagBytes"), format: formatBytes }),
    plot({
      ...common,
      title: "Lag, seconds",
      pieces: pieces(lag, "lagSeconds"),
      format: (value) => `${Number(value.toPrecision(2))} s`,
    }),
    plot({
      ...common,
      title: "Load, bytes per second",
      pieces: pieces(series, "bytesPerSecond"),
      format: (value) => `${formatBytes(value)}/s`,
    }),
    plot({
      ...common,
      title: "Changes applied per second",
      pieces: pieces(series, "changesPerSecond"),
      format: (value) => `${formatCount(value)}/s`,
    }),
  ];
}

function eventsOf({ switches, load }: Report): readonly PlotEvent[] {
  const loaded = load.endedAt === null ? [] : [{ at: Date.parse(load.endedAt), label: "loaded" }];
  return [
    ...loaded,
    ...switches
      .filter(({ outcome }) => outcome === "switched")
      .map(({ startedAt, to }) => ({ at: Date.parse(startedAt), label: `to ${to}` })),
  ];
}

interface Column {
  readonly title: string;
  readonly number?: boolean;
}

function grid(columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  const kind = (index: number): Content => (columns[index]?.number === true ? html` class="number"` : null);
  return html`<div class="grid"><table>
<thead><tr>${columns.map(({ title }, index) => html`<th${kind(index)}>${title}</th>`)}</tr></thead>
<tbody>
${rows.map(
  (row) => html`<tr>${row.map((cell, index) => html`<td${kind(index)}>${cell}</td>`)}</tr>
`,
)}</tbody>
</table></div>
`;
}

function tablesTable(tables: readonly ReportTable[]): Markup {
  const rows = tables.map(({ table, phase, rows: count, bytes, chunks, loadingAt, loadedAt, verdict }) => [
    table,
    phase,
    formatCount(count),
    formatBytes(bytes),
    formatCount(chunks),
    formatMillis(millisBetween(loadingAt, loadedAt)),
    verdictOf(verdict),
    verdict?.lsn ?? "–",
  ]);
  const columns = [
    { title: "Table" },
    { title: "Stage" },
    { title: "Rows loaded", number: true },
    { title: "Bytes loaded", number: true },
    { title: "Chunks", number: true },
    { title: "Load", number: true },
    { title: "Verdict" },
    { title: "at LSN" },
  ];
  return grid(columns, rows);
}

function verdictOf(verdict: ReportTable["verdict"]): Content {
  if (verdict === null) return "–";
  return verdict.equal ? html`<span class="good">✓ equal</span>` : html`<span class="bad">✗ different</span>`;
}

function verificationTable(verifications: readonly ReportVerification[]): Markup {
  if (verifications.length === 0) return html`<p class="none">None yet: <code>pghaul verify run</code></p>`;
  const rows = verifications
    .toReversed()
    .map(({ at, tables, rows: count, different, lsn, millis }) => [
      formatMoment(at),
      different.length === 0 ? html`<span class="good">✓ equal</span>` : html`<span class="bad">✗ different</span>`,
      formatCount(tables),
      formatCount(Number(count)),
      formatMillis(millis),
      lsn,
      different.map(({ table, missing, extra, changed }) => html`${table}: ${missing} missing, ${extra} extra, ${changed} changed<br>`),
    ]);
  return grid(
    [
      { title: "Ended" },
      { title: "Verdict" },
      { title: "Tables", number: true },
      { title: "Rows", number: true },
      { title: "Took", number: true },
      { title: "at LSN" },
      { title: "Differences named" },
    ],
    rows,
  );
}

function switchSection({ attempt, to, startedAt, outcome, why, stallMillis, planDigest, steps }: ReportSwitch): Markup {
  const mood = outcome === "switched" ? "good" : outcome === "cancelled" ? "bad" : "";
  const stall = stallMillis === null ? null : html` · writes stopped for <b>${formatMillis(stallMillis)}</b>`;
  const plan = planDigest === null ? null : html` · plan <code>${planDigest}</code>`;
  const rows = steps.map(({ id, state, millis }, index) => [
    id,
    state,
    formatMillis(millis),
    isInStall(steps, index) ? stallBar(millis, stallMillis) : null,
  ]);
  return html`<h3>Attempt ${attempt}, to the ${to}: <span class="${mood}">${outcome}</span></h3>
<p>${formatMoment(startedAt)}${stall}${plan}${why === null ? null : html`<br>${why}`}</p>
${grid([{ title: "Step" }, { title: "State" }, { title: "Took", number: true }, { title: "Share of the time that writes were stopped" }], rows)}
`;
}

/** Writes stand still from the pause to the resume; what is before and after holds nobody up. */
function isInStall(steps: ReportSwitch["steps"], index: number): boolean {
  const place = (id: string): number => steps.findIndex((step) => step.id === id);
  return place("pause") >= 0 && index >= place("pause") && (place("resume") < 0 || index <= place("resume"));
}

function stallBar(millis: number | null, stallMillis: number | null): Markup {
  const share = Math.min(100, Math.round((100 * (millis ?? 0)) / Math.max(1, stallMillis ?? 0)));
  return html`<span class="step-bar"><i style="width:${share}%"></i></span>`;
}

function journalTable({ journal: { entries, head, broken } }: Report): Markup {
  if (entries.length === 0) return html`<p class="none">Empty.</p>`;
  const shown = entries.slice(-MOST_ENTRIES).toReversed();
  const check =
    broken === null
      ? html`<span class="good">✓ The hash chain is intact.</span> Head <code>${head}</code>`
      : html`<span class="bad">✗ Entry ${broken.seq} does not follow: ${broken.why}.</span>`;
  const rows = shown.map(({ seq, at, user, host, kind, evidence, hash }) => [
    seq,
    formatMoment(at),
    `${user}@${host}`,
    kind,
    html`<span class="evidence">${evidenceText(evidence)}</span>`,
    html`<code>${hash.slice(0, 12)}</code>`,
  ]);
  const left = entries.length > shown.length ? html` The newest ${shown.length} of ${formatCount(entries.length)} entries:` : null;
  return html`<p>${check}${left}</p>
${grid([{ title: "#", number: true }, { title: "When" }, { title: "Who" }, { title: "What" }, { title: "Evidence" }, { title: "Hash" }], rows)}`;
}

function commandTable({ runs }: Report): Markup {
  if (runs.length === 0) return html`<p class="none">None on record.</p>`;
  const rows = runs.map(({ command, host, startedAt, endedAt, outcome }) => [
    html`<code>pghaul ${command}</code>`,
    host,
    formatMoment(startedAt),
    formatMoment(endedAt),
    outcome ?? "end not recorded",
  ]);
  return grid([{ title: "Command" }, { title: "Host" }, { title: "Started" }, { title: "Ended" }, { title: "Outcome" }], rows);
}
