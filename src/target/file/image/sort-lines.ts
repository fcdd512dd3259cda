/**
 * The lines of a file in the order of their text, however many there are: sorted runs on the disk, merged. Memory: one run while it is sorted,
 * then a piece of each run that is merged, and the longest lines.
 */
import { rmSync } from "node:fs";
import { appendLines, readLines } from "./scratch-file.ts";

/** What a line weighs in memory beside its text. */
export const LINE_BYTES = 160;
/** Runs that are merged at once, a file and a piece each. */
const FAN_IN = 64;

/** `bytes`: what a run may weigh in memory. Its files lie beside `path`, and are gone at the end. */
export function* sortedLines(path: string, bytes: number): Generator<string> {
  const runs = new Runs(path);
  let lines: string[] = [];
  let weight = 0;
  for (const line of readLines(path)) {
    lines.push(line);
    weight += line.length + LINE_BYTES;
    if (weight < bytes) continue;
    runs.add(lines.sort());
    [lines, weight] = [[], 0];
  }
  lines.sort();
  if (runs.paths.length === 0) {
    yield* lines;
    return;
  }
  if (lines.length > 0) runs.add(lines);
  lines = [];
  while (runs.paths.length > FAN_IN) runs.addMerged(runs.paths.splice(0, FAN_IN));
  yield* merged(runs.paths);
  for (const run of runs.paths) rmSync(run, { force: true });
}

class Runs {
  readonly paths: string[] = [];
  readonly #path: string;
  #made = 0;

  constructor(path: string) {
    this.#path = path;
  }

  add(sorted: readonly string[]): void {
    const run = this.#next();
    appendLines(run, sorted);
    this.paths.push(run);
  }

  /** Several as one, which takes their place at the end. */
  addMerged(parts: readonly string[]): void {
    const run = this.#next();
    let batch: string[] = [];
    let weight = 0;
    for (const line of merged(parts)) {
      batch.push(line);
      weight += line.length;
      if (weight < BATCH_CHARACTERS) continue;
      appendLines(run, batch);
      [batch, weight] = [[], 0];
    }
    appendLines(run, batch);
    for (const part of parts) rmSync(part, { force: true });
    this.paths.push(run);
  }

  #next(): string {
    this.#made += 1;
    return `${this.#path}.run-${this.#made}`;
  }
}

const BATCH_CHARACTERS = 1024 * 1024;

interface Head {
  line: string;
  readonly rest: Generator<string>;
}

/** Of sorted files, all lines in order: a heap of their first ones. */
function* merged(paths: readonly string[]): Generator<string> {
  const heap: Head[] = [];
  try {
    for (const path of paths) {
      const rest = readLines(path);
      const first = rest.next();
      if (first.done !== true) heap.push({ line: first.value, rest });
    }
    for (let place = (heap.length >> 1) - 1; place >= 0; place -= 1) sink(heap, place);
    for (let top = heap[0]; top !== undefined; top = heap[0]) {
      yield top.line;
      const next = top.rest.next();
      if (next.done === true) {
        const last = heap.pop() as Head;
        if (last !== top) heap[0] = last;
      } else top.line = next.value;
      sink(heap, 0);
    }
  } finally {
    for (const { rest } of heap) rest.return(undefined);
  }
}

function sink(heap: Head[], from: number): void {
  for (let place = from; ; ) {
    let least = place;
    for (const child of [2 * place + 1, 2 * place + 2]) {
      if (child < heap.length && (heap[child] as Head).line < (heap[least] as Head).line) least = child;
    }
    if (least === place) return;
    const moved = heap[place] as Head;
    heap[place] = heap[least] as Head;
    heap[least] = moved;
    place = least;
  }
}
