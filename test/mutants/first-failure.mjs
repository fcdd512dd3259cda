// A reporter for node --test: a line as soon as a test has failed, for who waits for no more than that.
// biome-ignore lint/style/noDefaultExport: node --test takes a reporter by its default export.
export default async function* firstFailure(events) {
  for await (const { type, data } of events) {
    // A group fails because of what is inside it, which was told already.
    if (type === "test:fail" && data.details.error.failureType !== "subtestsFailed") yield `${data.name.replaceAll("\n", " ")}\n`;
  }
}
