import path from "node:path";
import { stateOf } from "../../cutover/machine.ts";
import { type Table, tableId } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import type { AccessDifference } from "../../side/postgres/catalog/compare-access.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { MilestoneStore } from "../../state/milestone-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { applyAccess } from "../../target/postgres/access/apply-access.ts";
import { analyze } from "../../target/postgres/schema/analyze.ts";
import { SchemaMove, type SchemaMoveOptions } from "../../target/postgres/schema/schema-move.ts";
import { readSequences, setSequences } from "../../target/postgres/schema/sequences.ts";
import { selectDumpOptions, selectUnreadable } from "../../target/postgres/schema/source-queries.ts";
import { requireEmpty, requireSameSchema } from "../../target/postgres/schema/target-checks.ts";
import { type ApplicationSettings, applicationSettings } from "../application-settings.ts";
import type { Migration } from "../open-migration.ts";

/** The schema's part of a run, in the order of the load. */
export interface SchemaWork {
  /** Tables and what identifies their rows; then the target is empty and fits, or this throws. */
  prepare(): Promise<void>;
  /** After a table's last chunk: indexes, constraints, statistics. */
  tableIndexes(table: Table): Promise<void>;
  /** After the last table: foreign keys, triggers, sequences. */
  finish(): Promise<void>;
}

/** Indexes of one table that are built at once. */
const INDEX_WORKERS = 2;

/** `target.schema: move` has pg_dump make the tables; `existing` finds them there. */
export async function openSchemaWork(
  migration: Migration,
  tables: readonly Table[],
  bus: ProgressBus,
  signal: AbortSignal,
): Promise<SchemaWork> {
  const own = await applicationSettings(migration, "source", "target");
  const connect: SchemaMoveOptions["connect"] = (side, purpose) =>
    migration.connect(side, purpose, side === "target" ? { signal, settings: own.settings } : { signal });
  const move = migration.config.target.schema === "existing" ? null : await openMove({ migration, tables, bus, signal, own, connect });
  const milestones = new MilestoneStore(migration.state);
  return {
    async prepare() {
      // What could not be granted then, for want of a role say, may be possible now.
      if (milestones.has("load-finished")) await grantAgain(migration, bus);
      if (milestones.has("schema-moved")) return;
      await move?.preData();
      await move?.keyIndexes(tables);
      await migration.session("target", "schema", async (client) => {
        await requireSameSchema(client, tables);
        await requireEmpty(client, tables);
      });
      milestones.reach("schema-moved");
    },
    async tableIndexes(table) {
      if (!tables.some(({ id }) => id === table.id)) return;
      const title = `indexes of ${table.id}`;
      bus.emit({ kind: "step", id: `index ${table.id}`, title, state: "running" });
      await move?.tableIndexes(table);
      // It computes what indexes are made of, as whoever writes does.
      const client = await connect("target", "schema");
      await analyze(client, table).finally(() => client.end());
      bus.emit({ kind: "step", id: `index ${table.id}`, title, state: "done" });
    },
    async finish() {
      tellOfAccess((await move?.finish()) ?? [], bus);
      await copySequences(migration);
      const store = new TableStore(migration.state);
      for (const { id } of tables) store.reached(id, "live");
      await move?.close();
    },
  };
}

interface MoveRequest {
  readonly migration: Migration;
  readonly tables: readonly Table[];
  readonly bus: ProgressBus;
  readonly own: ApplicationSettings;
  readonly connect: SchemaMoveOptions["connect"];
  readonly signal: AbortSignal;
}

async function openMove({ migration, tables, bus, own, connect, signal }: MoveRequest): Promise<SchemaMove | null> {
  if (new MilestoneStore(migration.state).has("load-finished")) return null;
  const { target } = migration.config;
  const selected = tables.map(({ oid }) => oid);
  const { unreadable, dumpOptions } = await migration.session("source", "schema", async (client) => ({
    unreadable: await selectUnreadable(client, selected),
    dumpOptions: await selectDumpOptions(client),
  }));
  for (const { schema, name } of unreadable) {
    bus.emit({
      kind: "warning",
      code: "TABLE_LEFT_OUT",
      message: `not made at the target: ${tableId({ schema, name })} is not selected, and our role may not read it, as pg_dump must; before the first run: grant select on ${qualifiedName(schema, name)} to the role`,
    });
  }
  const move = await SchemaMove.open({
    source: migration.specs.source,
    connect,
    searchPath: own.searchPath,
    dir: path.join(migration.config.state.dir, "schema"),
    migration: migration.name,
    excludeTables: unreadable,
    dumpOptions,
    owners: target.owners === "keep",
    privileges: target.privileges === "keep",
    indexWorkers: INDEX_WORKERS,
    env: process.env,
    signal,
  });
  for (const setting of own.refused) {
    bus.emit({
      kind: "warning",
      code: "SETTINGS_NOT_KEPT",
      message: `the target does not take ${setting}, which sessions at the source have: what reads it is computed under the target's own setting`,
    });
  }
  for (const name of move.losses.tablespaces) {
    bus.emit({
      kind: "warning",
      code: "TABLESPACES_NOT_KEPT",
      message: `everything goes to the default tablespace: ${name} is missing at the target`,
    });
  }
  if (tables.length === 0) throw new Error("schema: no tables");
  return move;
}

/** Owners, grants and policies once more. Not once the target is the primary: from then on they are its operator's. */
async function grantAgain(migration: Migration, bus: ProgressBus): Promise<void> {
  const { target } = migration.config;
  if (target.schema === "existing" || stateOf(new CutoverStore(migration.state).load()) !== "source-primary") return;
  const left = await migration.session("source", "grants", (source) =>
    migration.session("target", "grants", (client) =>
      applyAccess({
        source: askOf(source),
        target: client,
        owners: target.owners === "keep",
        privileges: target.privileges === "keep",
        grants: true,
        policies: true,
        takeBack: false,
      }),
    ),
  );
  tellOfAccess(left, bus);
}

const TOLD = 20;

function tellOfAccess(left: readonly AccessDifference[], bus: ProgressBus): void {
  for (const { statement, what, obstacle } of left.slice(0, TOLD)) {
    bus.emit({ kind: "warning", code: "ACCESS_NOT_KEPT", message: `${obstacle ?? what}: ${statement ?? what}` });
  }
  if (left.length === 0) return;
  const more = left.length > TOLD ? `${left.length - TOLD} more owners, grants or policies differ; ` : "";
  bus.emit({
    kind: "warning",
    code: "ACCESS_NOT_KEPT",
    message: `${more}the next pghaul run does what has become possible by then; pghaul cutover check lists what is left`,
  });
}

/** A first setting, so that the target is usable for a look; the cutover sets them again under the fence. */
async function copySequences(migration: Migration): Promise<void> {
  const values = await migration.session("source", "sequences", readSequences);
  await migration.session("target", "sequences", (client) => setSequences(client, values, 0));
}
