import { html, type Markup } from "./markup.ts";
import type { PlottedPoint, Range } from "./series.ts";

/** Something that happened at a moment and explains what the lines do. */
export interface PlotEvent {
  readonly at: number;
  readonly label: string;
}

export interface PlotOptions {
  readonly title: string;
  readonly pieces: readonly (readonly PlottedPoint[])[];
  readonly time: Range;
  readonly events: readonly PlotEvent[];
  readonly format: (value: number) => string;
}

const WIDTH = 960;
const HEIGHT = 170;
const LEFT = 84;
const RIGHT = 8;
const TOP = 12;
const BOTTOM = 26;
const TIME_TICKS = 6;

/** Means as an area, the highest values as a line above it: one inline SVG that needs no script and takes its colours from the page. */
export function plot(options: PlotOptions): Markup {
  const points = options.pieces.flat();
  if (points.length === 0) return html`<figure><figcaption>${options.title}</figcaption><p class="none">Nothing was measured.</p></figure>`;
  const peak = points.reduce((best, point) => (point.max > best.max ? point : best));
  const scale = new Scale(options.time, niceCeiling(peak.max));
  const caption = `peak ${options.format(peak.max)} at ${clock(peak.at, options.time)}`;
  return html`<figure>
<figcaption>${options.title} <span class="peak">${caption}</span></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${`${options.title}: ${caption}`}">
${[0, 0.5, 1].map((part) => valueTick(scale, part, options.format))}
${timeTicks(scale)}
${options.pieces.map((piece) => html`<path class="area" d="${area(piece, scale)}"/><path class="line" d="${line(piece, scale)}"/>`)}
${options.events.map((event) => eventMark(event, scale))}
</svg>
</figure>
`;
}

class Scale {
  readonly time: Range;
  readonly top: number;

  constructor(time: Range, top: number) {
    this.time = time;
    this.top = top;
  }

  x(at: number): number {
    const part = (at - this.time.from) / Math.max(1, this.time.to - this.time.from);
    return round(LEFT + part * (WIDTH - LEFT - RIGHT));
  }

  y(value: number): number {
    return round(HEIGHT - BOTTOM - (value / this.top) * (HEIGHT - TOP - BOTTOM));
  }
}

function area(piece: readonly PlottedPoint[], scale: Scale): string {
  const [first, last] = [piece.at(0), piece.at(-1)];
  if (first === undefined || last === undefined) return "";
  const tops = piece.map(({ at, mean }) => `L${scale.x(at)} ${scale.y(mean)}`).join("");
  return `M${scale.x(first.at)} ${scale.y(0)}${tops}L${scale.x(last.at)} ${scale.y(0)}Z`;
}

function line(piece: readonly PlottedPoint[], scale: Scale): string {
  return piece.map(({ at, max }, index) => `${index === 0 ? "M" : "L"}${scale.x(at)} ${scale.y(max)}`).join("");
}

function valueTick(scale: Scale, part: number, format: (value: number) => string): Markup {
  const y = scale.y(scale.top * part);
  return html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text class="tick" x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${format(scale.top * part)}</text>
`;
}

function timeTicks(scale: Scale): readonly Markup[] {
  return Array.from({ length: TIME_TICKS }, (_, index) => {
    const at = scale.time.from + ((scale.time.to - scale.time.from) * index) / (TIME_TICKS - 1);
    const anchor = index === 0 ? "start" : index === TIME_TICKS - 1 ? "end" : "middle";
    return html`<text class="tick" x="${scale.x(at)}" y="${HEIGHT - 8}" text-anchor="${anchor}">${clock(at, scale.time)}</text>`;
  });
}

function eventMark({ at, label }: PlotEvent, scale: Scale): Markup {
  const x = scale.x(at);
  return html`<g class="event"><line x1="${x}" x2="${x}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${x - 4}" y="${TOP + 8}" text-anchor="end">${label}</text></g>`;
}

/** The next of a few numbers with zeros: ticks that people can halve in their head. */
function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

const DAY_MILLIS = 24 * 60 * 60 * 1_000;

/** The time of day; with the date where the plot spans more than one. */
function clock(at: number, { from, to }: Range): string {
  const iso = new Date(at).toISOString();
  return to - from > DAY_MILLIS ? iso.slice(5, 16).replace("T", " ") : iso.slice(11, 19);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
