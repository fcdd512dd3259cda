// The lines of src that tests run, by folder, from what V8 writes into NODE_V8_COVERAGE's folder: a file for each process that ends.
import { globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A script of V8's Profiler.takePreciseCoverage: the module first, inner functions and inner ranges behind what contains them. */
interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
  }[];
}

/**
 * A table of `root`/src. A file that no test loads counts as one of which no line is run. Tests kill processes, and one that is killed while it
 * writes leaves half a file, at which `node --test --experimental-test-coverage` fails as a whole: here it is left out.
 */
export function coverageByFolder(folder: string, root: string): string {
  const sources = new Map(globSync("src/**/*.ts", { cwd: root }).map((path) => [path, new Source(readFileSync(join(root, path), "utf8"))]));
  for (const name of readdirSync(folder)) {
    for (const { url, functions } of scriptsOf(readFileSync(join(folder, name), "utf8"))) {
      if (!url.startsWith("file://")) continue;
      const path = fileURLToPath(url);
      if (path.startsWith(root)) sources.get(path.slice(root.length))?.add(functions);
    }
  }
  return table(sources);
}

function scriptsOf(text: string): readonly ScriptCoverage[] {
  try {
    return (JSON.parse(text) as { result: readonly ScriptCoverage[] }).result;
  } catch {
    return [];
  }
}

/** One file: which of its characters some process ran. Types are stripped in place, so V8's offsets are those of the source. */
class Source {
  readonly #text: string;
  readonly #run: Uint8Array;

  constructor(text: string) {
    this.#text = text;
    this.#run = new Uint8Array(text.length);
  }

  add(functions: ScriptCoverage["functions"]): void {
    const here = new Uint8Array(this.#run.length);
    for (const { ranges } of functions)
      for (const { startOffset, endOffset, count } of ranges) here.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    for (let index = 0; index < here.length; index += 1) this.#run[index] = (this.#run[index] as number) | (here[index] as number);
  }

  /** A line of which any character is run is run. */
  lines(): { readonly all: number; readonly run: number } {
    let at = 0;
    const lines = this.#text
      .trimEnd()
      .split("\n")
      .map((line) => {
        const isRun = this.#run.subarray(at, at + Math.max(1, line.length)).includes(1);
        at += line.length + 1;
        return isRun;
      });
    return { all: lines.length, run: lines.filter(Boolean).length };
  }
}

function table(sources: ReadonlyMap<string, Source>): string {
  const folders = new Map<string, { files: number; all: number; run: number }>();
  for (const [path, source] of sources) {
    const { all, run } = source.lines();
    for (const folder of [path.split("/").slice(0, 2).join("/"), "src"]) {
      const sum = folders.get(folder) ?? { files: 0, all: 0, run: 0 };
      folders.set(folder, { files: sum.files + 1, all: sum.all + all, run: sum.run + run });
    }
  }
  const rows = [...folders]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([folder, { files, all, run }]) => row([folder, String(files), String(all), `${percent(run, all)} %`]));
  return [row(["folder", "files", "lines", "run"]), ...rows].join("");
}

function row([folder, files, lines, run]: readonly [string, string, string, string]): string {
  return `coverage: ${folder.padEnd(18)} ${files.padStart(5)} ${lines.padStart(7)} ${run.padStart(8)}\n`;
}

function percent(run: number, all: number): string {
  return all === 0 ? "100.0" : ((100 * run) / all).toFixed(1);
}
