import type { SideFacts } from "../../../conditions/side-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { readInsertLsn } from "../wal.ts";
import { readHolders } from "./holders.ts";
import { maySetDeadlockTimeout, readNotOwned } from "./ownership.ts";
import { readBehind } from "./positions.ts";
import { readRefusedUpdates } from "./refused-updates.ts";
import { readSequenceFacts } from "./sequences.ts";
import { readSlotFact, readStreamability } from "./slot.ts";
import { countIndexes, readSubscriptionsInto } from "./tables.ts";
import { readWritability } from "./writability.ts";

/** The facts of a PostgreSQL database, asked through one session that is in no transaction. */
export function postgresFacts({ name, role }: Pick<SideFacts, "name" | "role">, ask: Ask): SideFacts {
  return {
    name,
    role,
    holders: (tables, olderThanMillis) => readHolders(ask, tables, olderThanMillis),
    slot: (slot) => readSlotFact(ask, slot),
    sequences: () => readSequenceFacts(ask),
    writability: () => readWritability(ask),
    streamability: (slot) => readStreamability(ask, slot),
    subscriptionsInto: (tables) => readSubscriptionsInto(ask, tables),
    refusedUpdates: (tables) => readRefusedUpdates(ask, tables),
    indexes: (tables) => countIndexes(ask, tables),
    notOwned: (tables) => readNotOwned(ask, tables),
    isImpatient: () => maySetDeadlockTimeout(ask),
    writtenUpTo: () => readInsertLsn(ask),
    behind: (migration, stream, upTo) => readBehind(ask, { migration, stream }, upTo),
    extensions: async () =>
      (await ask<{ name: string }>("select extname::text as name from pg_catalog.pg_extension order by 1")).map((row) => row.name),
    settings: async (names) => {
      // The session's own settings are ours; what counts is what an application's session starts with.
      const sql = "select name::text, reset_val::text as value from pg_catalog.pg_settings where name = any($1::text[])";
      const rows = await ask<{ name: string; value: string }>(sql, [names]);
      return new Map(rows.map((row) => [row.name, row.value]));
    },
  };
}
