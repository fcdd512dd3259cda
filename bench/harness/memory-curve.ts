import { residentBytes } from "./process-use.ts";

/** Resident memory of a process at one moment of a stage of the run. */
export interface CurvePoint {
  /** Since the curve began. */
  readonly seconds: number;
  readonly stage: string;
  readonly bytes: number;
}

const SAMPLE_MILLIS = 250;
/** So many columns does a curve of one stage get at most in text. */
const SHOWN = 12;

/** Samples the memory of a process until it is closed. */
export class MemoryCurve implements Disposable {
  readonly points: CurvePoint[] = [];
  readonly #pid: number;
  readonly #begun = performance.now();
  readonly #timer: NodeJS.Timeout;
  #stage: string;

  constructor(pid: number, stage: string) {
    this.#pid = pid;
    this.#stage = stage;
    this.#timer = setInterval(() => this.#look(), SAMPLE_MILLIS);
  }

  /** What happens from now on. */
  enter(stage: string): void {
    this.#look();
    this.#stage = stage;
    this.#look();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#look();
  }

  #look(): void {
    const bytes = residentBytes(this.#pid);
    if (bytes > 0) this.points.push({ seconds: (performance.now() - this.#begun) / 1000, stage: this.#stage, bytes });
  }
}

/** `load 12 s: 120 180 | target away 60 s: 210 212 ...`, in MB, the highest of each slice. */
export function curveText(points: readonly CurvePoint[]): string {
  const stages = Map.groupBy(points, ({ stage }) => stage);
  return [...stages]
    .map(([stage, within]) => {
      const lasted = (within.at(-1)?.seconds ?? 0) - (within[0]?.seconds ?? 0);
      const slice = Math.max(1, Math.ceil(within.length / SHOWN));
      const highest = Array.from({ length: Math.ceil(within.length / slice) }, (_, place) =>
        Math.max(...within.slice(place * slice, (place + 1) * slice).map(({ bytes }) => bytes)),
      );
      return `${stage} ${lasted.toFixed(0)} s: ${highest.map((bytes) => (bytes / 1e6).toFixed(0)).join(" ")}`;
    })
    .join(" | ");
}
