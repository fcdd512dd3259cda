// A reporter for node --test: every test that failed, with its file, as a line of JSON; last, that the run came to its end.
// biome-ignore lint/style/noDefaultExport: node --test takes a reporter by its default export.
export default async function* failedTests(events) {
  for await (const { type, data } of events) {
    // One summary a file, and one of the whole run, which names none.
    if (type === "test:summary" && data.file === undefined) yield '{"end":true}\n';
    // A group fails because of what is inside it, which has a line of its own.
    if (type !== "test:fail" || data.file === undefined || data.details.error.failureType === "subtestsFailed") continue;
    yield `${JSON.stringify({ file: data.file, name: data.name })}\n`;
  }
}
