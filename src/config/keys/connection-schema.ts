import { z } from "zod";

/** How to reach a database. Each way to a secret is a reference; the secret itself need not stand in the file. */
const connectionKeys = {
  url: z
    .string()
    .min(1)
    .optional()
    .describe('Connection string as psql takes it: a URI or key=value pairs. Usually "${SOURCE_URL}" or a URI without a password.'),
  urlFile: z.string().min(1).optional().describe("File whose first line is the connection string; instead of url."),
  passwordFile: z.string().min(1).optional().describe("File whose first line is the password; read again at every connection."),
  passwordCommand: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("Program and arguments; the first line it prints is the password. Run without a shell at every connection."),
  rdsIam: z
    .strictObject({ region: z.string().min(1).describe("AWS region of the database.") })
    .optional()
    .describe("Signs in to RDS or Aurora with a short-lived IAM token."),
};

interface ConnectionKeys {
  readonly url?: string | undefined;
  readonly urlFile?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly passwordCommand?: readonly string[] | undefined;
  readonly rdsIam?: { readonly region: string } | undefined;
}

export const sourceSchema = z
  .strictObject({
    ...connectionKeys,
    replicaUrl: z.string().min(1).optional().describe("A standby of the source: chunk reads go there. Signs in as url does."),
  })
  .superRefine(oneOfEach)
  .describe("The database to move. pghaul reads it and adds a publication and a slot.");

const postgresTarget = z
  .strictObject({
    kind: z.literal("postgres").describe("Another PostgreSQL, 13 to 18, Aurora included, by logical replication."),
    ...connectionKeys,
    schema: z
      .enum(["move", "existing"])
      .default("move")
      .describe("move: pghaul creates the tables with pg_dump. existing: they are there already, empty."),
    owners: z
      .enum(["keep", "drop"])
      .default("keep")
      .describe("keep: objects belong to the same roles as at the source. drop: to the role that connects."),
    privileges: z.enum(["keep", "drop"]).default("keep").describe("keep: grants are moved with the tables. drop: they are not."),
  })
  .superRefine(oneOfEach);

const shard = z
  .strictObject({ name: z.string().min(1).describe("The shard's name in plans and messages."), ...connectionKeys })
  .superRefine(oneOfEach);

const shardedTarget = z.strictObject({
  kind: z.literal("sharded").describe("Several PostgreSQL shards."),
  shards: z.array(shard).min(1).describe("The shards, each with a connection of its own."),
});

function plainTarget<const Kind extends string>(kind: Kind, description: string) {
  return z.strictObject({ kind: z.literal(kind).describe(description), ...connectionKeys }).superRefine(oneOfEach);
}

export const targetSchema = z
  .discriminatedUnion("kind", [
    postgresTarget,
    plainTarget("aurora", "An Aurora replica of the source's storage, promoted at the cutover."),
    shardedTarget,
    plainTarget("snowflake", "A Snowflake database."),
    plainTarget("iceberg", "Iceberg tables behind a REST catalog."),
    plainTarget("file", "Chunks and changes as files in a folder or a bucket."),
  ])
  .describe("Where the data goes.");

function oneOfEach(keys: ConnectionKeys, context: z.RefinementCtx): void {
  if ((keys.url === undefined) === (keys.urlFile === undefined)) {
    context.addIssue({ code: "custom", message: "needs either url or urlFile" });
  }
  const passwords = (["passwordFile", "passwordCommand", "rdsIam"] as const).filter((key) => keys[key] !== undefined);
  if (passwords.length > 1) context.addIssue({ code: "custom", message: `has ${passwords.join(" and ")}; give one of them` });
}
