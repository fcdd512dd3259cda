import type pg from "pg";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";

/** Opens sessions at a test server exactly as the workflow does. */
export function sessionsAt(url: string): (purpose: string, signal?: AbortSignal) => Promise<pg.Client> {
  const spec = resolveConnection({ url }, { env: {}, home: undefined, user: undefined, socketDirs: [] });
  return (purpose, signal) => connect(spec, { side: "source", purpose, ...(signal === undefined ? {} : { signal }) });
}
