import type { PghaulError } from "../../errors/pghaul-error.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { HoldStore } from "../../state/hold-store.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { TableStore } from "../../state/table-store.ts";
import { TailStore } from "../../state/tail-store.ts";
import type { Migration } from "../open-migration.ts";
import { forgetDrift } from "../stream/adopt-drift.ts";
import { readDefinition, sameShape } from "./read-definition.ts";
import type { Definition, Reloads } from "./watch-reloads.ts";

interface ReloadScope {
  readonly migration: Migration;
  readonly bus: ProgressBus;
  readonly tables: readonly Table[];
}

/** The wishes to load a held table anew, as they are on record here. */
export class ReloadRequests implements Reloads {
  readonly #migration: Migration;
  readonly #bus: ProgressBus;
  /** As this process streams them. */
  readonly #streamed: readonly Table[];
  readonly #holds: HoldStore;
  readonly #tables: TableStore;

  constructor({ migration, bus, tables }: ReloadScope) {
    this.#migration = migration;
    this.#bus = bus;
    this.#streamed = tables;
    this.#holds = new HoldStore(migration.state);
    this.#tables = new TableStore(migration.state);
  }

  /** None while the target is, or is about to become, the primary: to empty a table there would lose what was written to it. */
  asked(): readonly string[] {
    const asked = this.#holds.reloadsAsked();
    return asked.length === 0 || !sourceIsPrimary(this.#migration.state) ? [] : asked;
  }

  define(id: string): Promise<Definition> {
    const streamed = this.#streamed.find((table) => table.id === id);
    if (streamed === undefined) throw new Error(`reload: ${id} is no table of the migration`);
    return readDefinition(this.#migration, streamed);
  }

  redefine(table: Table): void {
    const known = this.#tables.all().find((record) => record.table.id === table.id);
    if (known !== undefined && sameShape(known.table, table)) return;
    this.#tables.redefine(table);
    forgetDrift(this.#migration.state, table.id);
    const columns = table.columns.map(({ name }) => name).join(", ");
    this.#bus.emit({ kind: "warning", code: "TABLE_CHANGED", message: `${table.id} is reloaded with ${columns}` });
  }

  refused(id: string, { code, message, suggestion }: PghaulError): void {
    const why = suggestion === undefined ? message : `${message}; ${suggestion}`;
    this.#holds.endReload(id, why);
    this.#bus.emit({ kind: "warning", code, message: `${id} stays held and was not reloaded: ${why}` });
  }

  visible(floor: Lsn): void {
    new TailStore(this.#migration.state).setVisibleFloor("forward", floor);
  }
}

/** False while a switch is under way, too. */
export function sourceIsPrimary(state: StateDatabase): boolean {
  const attempt = new CutoverStore(state).load();
  if (attempt === null) return true;
  if (attempt.outcome === "running") return false;
  return attempt.outcome === "switched" ? attempt.to === "source" : attempt.to === "target";
}
