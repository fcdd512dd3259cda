import type { Server } from "../../../conditions/server-facts.ts";
import type { Ask } from "../catalog/ask.ts";

export async function readServer(ask: Ask): Promise<Server> {
  const [row] = await ask<{ version: string; release: string; recovery: string }>(
    `select current_setting('server_version_num')::text as version, current_setting('server_version') as release, pg_is_in_recovery()::text as recovery`,
  );
  if (row === undefined) throw new Error("the server did not answer");
  return { version: Number(row.version), release: row.release, inRecovery: row.recovery === "true" };
}
