import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { openState } from "../../src/state/open-state.ts";
import type { StateDatabase } from "../../src/state/state-database.ts";

/** A directory that is gone after the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "pghaul-state-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** An open state in a directory of its own; both are gone after the test. */
export async function temporaryState(t: TestContext): Promise<StateDatabase> {
  const database = await openState(path.join(temporaryDirectory(t), "state"));
  t.after(() => database.close());
  return database;
}
