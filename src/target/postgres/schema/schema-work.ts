import path from "node:path";
import type { LeftSecret } from "../../../conditions/activity-facts.ts";
import { tableId } from "../../../model/table.ts";
import type { ProgressBus } from "../../../observe/events.ts";
import { qualifiedName } from "../../../postgres/quote.ts";
import type { ApplicationSettings } from "../../../side/postgres/application-settings.ts";
import { askOf } from "../../../side/postgres/catalog/ask.ts";
import type { AccessDifference } from "../../../side/postgres/catalog/compare-access.ts";
import { readLeftSecrets } from "../../../side/postgres/foreign/secret-options.ts";
import type { PostgresServer } from "../../../side/postgres/server.ts";
import type { SchemaRequest, SchemaWork } from "../../kind.ts";
import { applyAccess } from "../access/apply-access.ts";
import { analyze } from "./analyze.ts";
import { SchemaMove, type SchemaMoveOptions } from "./schema-move.ts";
import { readSequences, setSequences } from "./sequences.ts";
import { selectDumpOptions, selectUnreadable } from "./source-queries.ts";
import { requireEmpty, requireSameSchema } from "./target-checks.ts";
import { isMarked, type Mark } from "./target-queries.ts";

/** Between which servers, and what of the schema is wanted. */
export interface SchemaParts {
  readonly migration: string;
  readonly source: PostgresServer;
  readonly target: PostgresServer;
  /** Of the application's sessions at the source: the target builds under them. */
  readonly own: ApplicationSettings;
  readonly schema: "move" | "existing";
  readonly owners: "keep" | "drop";
  readonly privileges: "keep" | "drop";
  /** Holds the archive between runs. */
  readonly dir: string;
}

/** Indexes of one table that are built at once. */
const INDEX_WORKERS = 2;

/** `target.schema: move` has pg_dump make the tables; `existing` finds them there. */
export async function openSchemaWork(parts: SchemaParts, { tables, memory, bus, signal }: SchemaRequest): Promise<SchemaWork> {
  const { source, target, own } = parts;
  const connect: SchemaMoveOptions["connect"] = (side, purpose) =>
    side === "target" ? target.connect(purpose, { signal, settings: own.settings }) : source.connect(purpose, { signal });
  const opened = (again: boolean): Promise<SchemaMove> => openMove(parts, { tables, bus, signal, connect, again });
  let move = parts.schema === "move" && !memory.has("load-finished") ? await opened(false) : null;
  // Once the target has been the primary, its schema is its operator's.
  const remembers = async (mark: Mark): Promise<boolean> =>
    parts.schema === "existing" ||
    !memory.isUntouched() ||
    (await target.session("schema", (client) => isMarked(client, parts.migration, mark)));
  return {
    async prepare() {
      const isMoved = memory.has("schema-moved");
      if (isMoved && (await remembers("prepared"))) {
        // What could not be granted then, for want of a role say, may be possible now.
        if (memory.has("load-finished") && memory.isUntouched()) await grantAgain(parts, bus);
        return;
      }
      if (isMoved) {
        tellForgotten("tables and their keys", bus);
        await move?.close();
        move = await opened(true);
      }
      await move?.preData();
      await move?.keyIndexes(tables);
      await target.session("schema", async (client) => {
        await requireSameSchema(client, tables);
        // Where we have loaded already, the target's progress tells what of it is there.
        if (!isMoved) await requireEmpty(client, tables);
      });
      await move?.mark("prepared");
      memory.reach("schema-moved");
    },
    async tableLoaded(table) {
      if (!tables.some(({ id }) => id === table.id)) return;
      const title = `indexes of ${table.id}`;
      bus.emit({ kind: "step", id: `index ${table.id}`, title, state: "running" });
      await move?.tableIndexes(table);
      // It computes what indexes are made of, as whoever writes does.
      const client = await connect("target", "schema");
      await analyze(client, table).finally(() => client.end());
      bus.emit({ kind: "step", id: `index ${table.id}`, title, state: "done" });
    },
    isFinished: () => remembers("finished"),
    finishing: parts.schema === "move" ? "foreign keys, triggers, sequences, statistics" : "sequences",
    async finish() {
      const again = memory.has("load-finished");
      if (again) tellForgotten("indexes, constraints, triggers and the like", bus);
      if (again && parts.schema === "move") move ??= await opened(true);
      tellOfAccess((await move?.finish()) ?? [], bus);
      // A first setting, so that the target is usable for a look; the cutover sets them again under the fence.
      const values = await source.session("sequences", readSequences);
      await target.session("sequences", (client) => setSequences(client, values, 0));
      await move?.mark("finished");
      await move?.close();
      move = null;
    },
  };
}

/** A standby that was behind and took over has forgotten what came last. */
function tellForgotten(what: string, bus: ProgressBus): void {
  bus.emit({ kind: "notice", message: `the target has lost ${what} that were created before: pghaul creates the missing ones again` });
}

interface MoveRequest extends Pick<SchemaRequest, "tables" | "bus" | "signal"> {
  readonly again: boolean;
  readonly connect: SchemaMoveOptions["connect"];
}

async function openMove(parts: SchemaParts, { tables, bus, connect, signal, again }: MoveRequest): Promise<SchemaMove> {
  const selected = tables.map(({ oid }) => oid);
  const { unreadable, dumpOptions, secrets } = await parts.source.session("schema", async (client) => ({
    unreadable: await selectUnreadable(client, selected),
    dumpOptions: await selectDumpOptions(client),
    secrets: await readLeftSecrets(askOf(client)),
  }));
  for (const { schema, name } of unreadable) {
    bus.emit({
      kind: "warning",
      code: "TABLE_LEFT_OUT",
      message: `not made at the target: ${tableId({ schema, name })} is not selected, and our role may not read it, as pg_dump must; before the first run: grant select on ${qualifiedName(schema, name)} to the role`,
    });
  }
  tellOfSecrets(secrets, bus);
  const move = await SchemaMove.open({
    source: parts.source.spec,
    connect,
    searchPath: parts.own.searchPath,
    dir: path.join(parts.dir, "schema"),
    migration: parts.migration,
    excludeTables: unreadable,
    dumpOptions,
    owners: parts.owners === "keep",
    privileges: parts.privileges === "keep",
    indexWorkers: INDEX_WORKERS,
    again,
    env: process.env,
    signal,
  });
  for (const setting of parts.own.refused) {
    bus.emit({
      kind: "warning",
      code: "SETTINGS_NOT_KEPT",
      message: `the target does not accept ${setting}, which sessions at the source have: functions that read it use the target's own setting`,
    });
  }
  for (const name of move.losses.tablespaces) {
    bus.emit({
      kind: "warning",
      code: "TABLESPACES_NOT_KEPT",
      message: `all objects go to the default tablespace: ${name} is missing at the target`,
    });
  }
  if (tables.length === 0) throw new Error("schema: no tables");
  return move;
}

/** Owners, grants and policies once more. Not once the target is the primary: from then on they are its operator's. */
async function grantAgain(parts: SchemaParts, bus: ProgressBus): Promise<void> {
  if (parts.schema === "existing") return;
  const left = await parts.source.session("grants", (source) =>
    parts.target.session("grants", (client) =>
      applyAccess({
        source: askOf(source),
        target: client,
        owners: parts.owners === "keep",
        privileges: parts.privileges === "keep",
        grants: true,
        policies: true,
        takeBack: false,
      }),
    ),
  );
  tellOfAccess(left, bus);
}

const TOLD = 20;

function tellOfSecrets(secrets: readonly LeftSecret[], bus: ProgressBus): void {
  const warn = (message: string): void => bus.emit({ kind: "warning", code: "SECRETS_NOT_KEPT", message });
  for (const { title, statement } of secrets.slice(0, TOLD)) warn(`secrets are not moved: ${title}; at the target: ${statement};`);
  if (secrets.length > TOLD) warn(`${secrets.length - TOLD} more foreign objects hold secrets; pghaul cutover check lists what is missing`);
}

function tellOfAccess(left: readonly AccessDifference[], bus: ProgressBus): void {
  for (const { statement, what, obstacle } of left.slice(0, TOLD)) {
    bus.emit({ kind: "warning", code: "ACCESS_NOT_KEPT", message: `${obstacle ?? what}: ${statement ?? what}` });
  }
  if (left.length === 0) return;
  const more = left.length > TOLD ? `${left.length - TOLD} more owners, grants or policies differ; ` : "";
  bus.emit({
    kind: "warning",
    code: "ACCESS_NOT_KEPT",
    message: `${more}the next pghaul run tries again; pghaul cutover check lists what is left`,
  });
}
