// A reporter for node --test --experimental-test-coverage: the lines of src that tests run, by folder, as a table. A file that no test loads
// is not in the measurement, and counts as one of which no line is run.
import { globSync, readFileSync } from "node:fs";
import { relative } from "node:path";

// biome-ignore lint/style/noDefaultExport: node --test takes a reporter by its default export.
export default async function* coverageByFolder(events) {
  for await (const { type, data } of events) {
    if (type === "test:coverage") yield table(linesOf(data.summary));
  }
}

/** Lines and run lines of every file. */
function linesOf({ files, workingDirectory }) {
  const lines = new Map();
  for (const path of globSync("src/**/*.ts", { cwd: workingDirectory })) {
    lines.set(path, { all: readFileSync(`${workingDirectory}/${path}`, "utf8").split("\n").length, run: 0 });
  }
  for (const { path, totalLineCount, coveredLineCount } of files) {
    lines.set(relative(workingDirectory, path), { all: totalLineCount, run: coveredLineCount });
  }
  return lines;
}

function table(lines) {
  const folders = new Map();
  for (const [path, { all, run }] of lines) {
    for (const folder of [path.split("/").slice(0, 2).join("/"), "src"]) {
      const sum = folders.get(folder) ?? { files: 0, all: 0, run: 0 };
      folders.set(folder, { files: sum.files + 1, all: sum.all + all, run: sum.run + run });
    }
  }
  const rows = [...folders]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([folder, { files, all, run }]) => row(folder, files, all, `${percent(run, all)} %`));
  return [row("folder", "files", "lines", "run"), ...rows].join("");
}

function row(folder, files, lines, run) {
  return `coverage: ${folder.padEnd(18)} ${String(files).padStart(5)} ${String(lines).padStart(7)} ${run.padStart(8)}\n`;
}

function percent(run, all) {
  return all === 0 ? "100.0" : ((100 * run) / all).toFixed(1);
}
