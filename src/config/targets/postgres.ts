import { z } from "zod";
import type { ConnectionSettings } from "../../postgres/resolve-connection.ts";
import { connectionKeys, oneOfEach, withoutSecrets } from "../keys/connection-keys.ts";
import type { Resolver, TargetKeys } from "./target-keys.ts";

const schema = z
  .strictObject({
    kind: z.literal("postgres").describe("Another PostgreSQL, 13 to 18, Aurora included, by logical replication."),
    ...connectionKeys,
    schema: z
      .enum(["move", "existing"])
      .default("move")
      .describe("move: pghaul creates the tables, with pg_dump. existing: the tables already exist, and are empty."),
    owners: z
      .enum(["keep", "drop"])
      .default("keep")
      .describe("keep: objects belong to the same roles as at the source. drop: they belong to the role that connects."),
    privileges: z.enum(["keep", "drop"]).default("keep").describe("keep: grants are moved with the tables. drop: they are left out."),
  })
  .superRefine(oneOfEach);

type Parsed = z.output<typeof schema>;

interface PostgresTarget extends Pick<Parsed, "kind" | "schema" | "owners" | "privileges"> {
  readonly connection: ConnectionSettings;
}

export const postgresKeys = {
  schema,
  resolve: ({ kind, schema, owners, privileges, ...connection }: Parsed, resolver: Resolver): PostgresTarget => ({
    kind,
    connection: resolver.connection(connection),
    schema,
    owners,
    privileges,
  }),
  reviewed: ({ connection, ...open }: PostgresTarget): object => ({ ...open, connection: withoutSecrets(connection) }),
} satisfies TargetKeys<Parsed, PostgresTarget>;
