import { PghaulError } from "../../errors/pghaul-error.ts";
import type { StreamName } from "../../model/side.ts";
import { describeConnection } from "../../postgres/connect.ts";
import { type ConnectionSettings, resolveConnection } from "../../postgres/resolve-connection.ts";
import { type ApplicationSettings, applicationSettings } from "../../side/postgres/application-settings.ts";
import { beginStream } from "../../side/postgres/bookkeeping/begin-stream.ts";
import { claimTables } from "../../side/postgres/bookkeeping/claim-tables.ts";
import { postgresTeardown } from "../../side/postgres/bookkeeping/postgres-teardown.ts";
import { type StreamId, selectProgress } from "../../side/postgres/bookkeeping/progress-queries.ts";
import { createProgressSchema } from "../../side/postgres/bookkeeping/progress-schema.ts";
import { withComputed } from "../../side/postgres/compare/computed-columns.ts";
import { PostgresReplica } from "../../side/postgres/compare/postgres-sides.ts";
import { type PostgresServer, postgresServer } from "../../side/postgres/server.ts";
import { postgresSwitching } from "../../side/postgres/switch/postgres-switching.ts";
import { systemIdentifier } from "../../side/postgres/wal.ts";
import type { Downstream, TargetContext, TargetIdentity, TargetKind, TargetSide, WayBack } from "../kind.ts";
import { openPostgresTarget } from "./postgres-target.ts";
import { sampleWrite } from "./sample-write.ts";
import { findClientTools } from "./schema/archive/client-tools.ts";
import { openSchemaWork } from "./schema/schema-work.ts";
import { statementsToFollow } from "./schema/statements-to-follow.ts";
import { schemaDifferences } from "./schema/target-checks.ts";

/** What the configuration says of a PostgreSQL target. */
export interface PostgresKeys {
  readonly connection: ConnectionSettings;
  readonly schema: "move" | "existing";
  readonly owners: "keep" | "drop";
  readonly privileges: "keep" | "drop";
}

/** Another PostgreSQL, by logical replication: it answers at once, can become the primary, and streams back. */
export const postgresKind: TargetKind<PostgresKeys> = {
  open(context, keys): TargetSide {
    const server = postgresServer("target", resolveConnection({ targetSessionAttrs: "read-write", ...keys.connection }));
    const stream = streamInto(server, context, "forward");
    return {
      capabilities: {
        takes: "rows",
        schema: keys.schema === "move" ? "moved" : "existing",
        keyOrder: true,
        keeps: { owners: keys.owners === "keep", privileges: keys.privileges === "keep" },
      },
      description: describeConnection(server.spec),
      checkedServer: server,
      reach: () => server.session("init", async () => undefined),
      identity: (sourceCluster, signal) => identityOf(context, server, { sourceCluster, signal }),
      prepare: (signal) => server.session("prepare", (client) => createProgressSchema(client, "target"), { signal }),
      claim: (tables) =>
        server.session("claim", (client) =>
          claimTables(client, { side: "target", migration: context.migration, markers: context.markers, tables }),
        ),
      openSchema: async (request) => {
        const { migration, source, stateDirectory: dir } = context;
        return openSchemaWork({ ...keys, migration, source, target: server, own: await stream.settings(), dir }, request);
      },
      ...stream.downstream,
      check: async () => [],
      tools: (major) => toolsFor(keys, major),
      sampleWrite: (table, rows) => server.session("plan", (client) => sampleWrite(client, table, rows)),
      compared: (tables) => withComputed([context.source, server], tables),
      wayBack: wayBackInto(context, server),
      switching: postgresSwitching(server, context),
      teardown: postgresTeardown(server, { ...context, receives: true }),
    };
  },
  restorable: null,
};

async function toolsFor({ schema }: PostgresKeys, sourceMajor: number): Promise<string> {
  if (schema === "existing") return "not needed: the schema exists already (target.schema: existing)";
  const { pgDump, major } = await findClientTools(sourceMajor, process.env);
  return `${pgDump} (${major})`;
}

function wayBackInto(context: TargetContext, target: PostgresServer): WayBack {
  const { source, migration } = context;
  const id: StreamId = { migration, stream: "reverse" };
  const stream = streamInto(source, { ...context, source: target }, "reverse");
  return {
    ...stream.downstream,
    upstream: target,
    hasBegun: () => source.session("way back", async (client) => (await selectProgress(client, id)).position !== null),
    begin: (tables, start) => source.session("way back", (client) => beginStream(client, id, { tables, start })),
  };
}

interface StreamInto {
  /** Under which its writers compute values; read once, for the stream must go on while its upstream is away. */
  readonly settings: () => Promise<ApplicationSettings>;
  readonly downstream: Downstream;
}

/** A stream into `server`; the context's source is where its changes come from. */
function streamInto(server: PostgresServer, context: TargetContext, stream: StreamName): StreamInto {
  const { source: upstream, migration, originPrefix, applierToken } = context;
  let known: Promise<ApplicationSettings> | null = null;
  const settings = (): Promise<ApplicationSettings> => {
    known ??= applicationSettings(upstream, server).catch((error: unknown) => {
      known = null;
      throw error;
    });
    return known;
  };
  const downstream: Downstream = {
    differences: (tables) => server.session("schema", (client) => schemaDifferences(client, tables)),
    statementsToFollow: (table) =>
      server.session("schema", (client) => statementsToFollow(client, table, { up: upstream.side, down: server.side })),
    destinations: [
      {
        name: server.side,
        rows: "all",
        openEngine: async ({ loadLanes, signal }) => ({
          takes: "rows",
          target: await openPostgresTarget({
            connect: async (purpose) => server.connect(purpose, { signal, settings: (await settings()).settings }),
            migration,
            stream,
            loadLanes,
            originPrefix,
            applierToken,
            signal,
          }),
        }),
      },
    ],
    replica: (options) =>
      new PostgresReplica({
        side: server.side,
        connect: (purpose, signal) => server.connect(purpose, signal === undefined ? {} : { signal }),
        stream: { migration, stream },
        ...options,
      }),
  };
  return { settings, downstream };
}

async function identityOf(
  { source }: TargetContext,
  target: PostgresServer,
  { sourceCluster, signal }: { readonly sourceCluster: string; readonly signal: AbortSignal },
): Promise<TargetIdentity> {
  const cluster = await target.session("prepare", systemIdentifier, { signal });
  const { database } = target.spec;
  if (cluster === sourceCluster && source.spec.database === database) {
    throw new PghaulError("CONFIG_INVALID", `source and target are the same database: ${describeConnection(source.spec)}`);
  }
  return { cluster, facts: { "target cluster": cluster, "target database": database } };
}
