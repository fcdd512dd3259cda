// The reporter `spec` without its table of some hundred files: `coverage-by-folder.mjs` says it by folder.
import { Readable } from "node:stream";
import { spec } from "node:test/reporters";

// biome-ignore lint/style/noDefaultExport: node --test takes a reporter by its default export.
export default async function* specWithoutCoverage(events) {
  yield* Readable.from(withoutCoverage(events)).compose(new spec());
}

async function* withoutCoverage(events) {
  for await (const event of events) if (event.type !== "test:coverage") yield event;
}
