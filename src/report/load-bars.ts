import { formatDuration } from "../observe/units.ts";
import { html, type Markup } from "./markup.ts";
import { formatMillis, millisBetween } from "./moments.ts";
import type { ReportTable } from "./report.ts";

/** Beyond this the bars of small tables are too thin to tell anything; the table below has them all. */
const MOST_BARS = 30;

const WIDTH = 960;
const LEFT = 230;
const RIGHT = 90;
const ROW = 20;

/** When each table was read, and when it joined the stream: one bar a table, the largest first. */
export function loadBars(tables: readonly ReportTable[]): Markup {
  const started = tables.filter(({ loadingAt }) => loadingAt !== null);
  const moments = started.flatMap(({ loadingAt, loadedAt, joinedAt }) =>
    [loadingAt, loadedAt, joinedAt].filter((at) => at !== null).map((at) => Date.parse(at)),
  );
  if (moments.length === 0) return html`<p class="none">No table has been loaded yet.</p>`;
  const [from, to] = [Math.min(...moments), Math.max(...moments)];
  const x = (at: number): number => Math.round((LEFT + ((at - from) / Math.max(1, to - from)) * (WIDTH - LEFT - RIGHT)) * 10) / 10;
  const shown = started.slice(0, MOST_BARS);
  const height = shown.length * ROW + 24;
  return html`<figure>
<figcaption>Load, ${formatDuration((to - from) / 1000)}: bar = chunks read and merged, tick = joined the stream${started.length > MOST_BARS ? `; the ${MOST_BARS} largest of ${started.length} tables` : ""}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="When each table was loaded">
${shown.map((table, index) => bar(table, index * ROW + 4, { x, to }))}
</svg>
</figure>
`;
}

function bar(
  { table, loadingAt, loadedAt, joinedAt }: ReportTable,
  y: number,
  scale: { readonly x: (at: number) => number; readonly to: number },
): Markup {
  const begin = scale.x(Date.parse(loadingAt ?? ""));
  const end = scale.x(loadedAt === null ? scale.to : Date.parse(loadedAt));
  const joined = joinedAt === null ? null : scale.x(Date.parse(joinedAt));
  const duration = loadedAt === null ? "loading" : formatMillis(millisBetween(loadingAt, loadedAt));
  return html`<text class="tick" x="${LEFT - 8}" y="${y + 11}" text-anchor="end">${shorten(table)}</text>
<rect class="bar" x="${begin}" y="${y}" width="${Math.max(2, Math.round((end - begin) * 10) / 10)}" height="13" rx="2"/>
${joined === null ? null : html`<line class="joined" x1="${joined}" x2="${joined}" y1="${y - 1}" y2="${y + 14}"/>`}
<text class="tick" x="${Math.max(end, joined ?? 0) + 6}" y="${y + 11}">${duration}</text>
`;
}

function shorten(name: string): string {
  return name.length <= 34 ? name : `…${name.slice(-33)}`;
}
