import { systemClock } from "../../src/workflow/system-clock.ts";
import type { Place } from "./equal-tables.ts";

const POLL_MILLIS = 10;

/** Resolves when the query finds a row. */
export async function until({ server, database }: Place, sql: string): Promise<void> {
  const client = await server.connect(database);
  try {
    while ((await client.query(sql)).rowCount === 0) await systemClock.sleep(POLL_MILLIS, new AbortController().signal);
  } finally {
    await client.end();
  }
}
