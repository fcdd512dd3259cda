// A reporter for node --test: where the time of a suite goes, so that a cut is made where it counts.
import { relative } from "node:path";

const SHOWN = 10;

// biome-ignore lint/style/noDefaultExport: node --test takes a reporter by its default export.
export default async function* slowestFiles(events) {
  const files = [];
  // One summary a file, and one of the whole run, which names none.
  for await (const { type, data } of events) if (type === "test:summary" && data.file !== undefined) files.push(data);
  const all = files.reduce((sum, { duration_ms: millis }) => sum + millis, 0);
  yield `slowest of ${files.length} files, ${seconds(all)} s together:\n`;
  for (const { file, duration_ms: millis } of files.toSorted((a, b) => b.duration_ms - a.duration_ms).slice(0, SHOWN)) {
    yield `${seconds(millis).padStart(8)} s  ${relative(process.cwd(), file)}\n`;
  }
}

function seconds(millis) {
  return (millis / 1000).toFixed(1);
}
