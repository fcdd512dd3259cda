import { z } from "zod";
import { connectionKeys, oneOfEach } from "../keys/connection-keys.ts";

const shard = z
  .strictObject({ name: z.string().min(1).describe("The shard's name in plans and messages."), ...connectionKeys })
  .superRefine(oneOfEach);

function plainTarget<const Kind extends string>(kind: Kind, description: string) {
  return z.strictObject({ kind: z.literal(kind).describe(description), ...connectionKeys }).superRefine(oneOfEach);
}

/** Kinds that are part of the file's form and that this version cannot do: they parse, and are refused by name. */
export const UNAVAILABLE = [
  plainTarget("aurora", "An Aurora replica of the source's storage, promoted at the cutover."),
  z.strictObject({
    kind: z.literal("sharded").describe("Several PostgreSQL shards."),
    shards: z.array(shard).min(1).describe("The shards, each with its own connection."),
  }),
  plainTarget("snowflake", "A Snowflake database."),
  plainTarget("iceberg", "Iceberg tables behind a REST catalog."),
] as const;
