import type { TargetContext, Teardown } from "../../../target/kind.ts";
import type { PostgresServer } from "../server.ts";
import { dropOpenFences } from "./drop-open-fences.ts";
import { forgetMigration } from "./forget-migration.ts";
import { isPrepared } from "./progress-queries.ts";

interface PostgresTeardown extends Pick<TargetContext, "migration" | "originPrefix" | "markers"> {
  /** A stream may write to it: there are its progress and origins, and fences. */
  readonly receives: boolean;
}

/**
 * The end of a migration at a PostgreSQL database, once the slot of the stream out of it is gone. The schema `pghaul` stays, with the fence that
 * refuses writes at a side that is not the primary.
 */
export function postgresTeardown(server: PostgresServer, { migration, originPrefix, markers, receives }: PostgresTeardown): Teardown {
  const { side } = server;
  return {
    lines: receives
      ? [
          `${side}: delete the migration's progress, drop its replication origins ${originPrefix}*`,
          `${side}: drop the triggers of fences that are open`,
        ]
      : [`${side}: delete the migration's claim to its tables, drop its table of markers`],
    run: (signal) =>
      server.session("teardown", async (client) => {
        if (!(await isPrepared(client))) return;
        await dropOpenFences(client);
        await forgetMigration(client, { side, migration, markers, originPrefix, signal });
      }),
  };
}
