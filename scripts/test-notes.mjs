// A reporter for node --test, for `run-tests.ts`: a line of JSON for each test that failed, for the time of each file, and for the end of the run.
// One for all: with a third, Node warns of too many listeners.
// biome-ignore lint/style/noDefaultExport: node --test takes a reporter by its default export.
export default async function* testNotes(events) {
  for await (const { type, data } of events) {
    const note = noteOf(type, data);
    if (note !== null) yield `${JSON.stringify(note)}\n`;
  }
}

function noteOf(type, { file, name, duration_ms: millis, details }) {
  // One summary a file, and one of the whole run, which names none.
  if (type === "test:summary") return file === undefined ? { kind: "end" } : { kind: "time", file, millis };
  // A group fails because of what is inside it, which has a line of its own.
  if (type === "test:fail" && file !== undefined && details.error.failureType !== "subtestsFailed") return { kind: "failed", file, name };
  return null;
}
