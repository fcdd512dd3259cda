/** Asks the gates of a cutover and writes the answers into the journal. */

import type pg from "pg";
import type { SideFacts } from "../../conditions/side-facts.ts";
import { checkGates } from "../../cutover/check-gates.ts";
import type { GateContext, GateFacts, GateResult } from "../../cutover/gate.ts";
import { otherSide, type SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { type Ask, askOf } from "../../side/postgres/catalog/ask.ts";
import { readTables } from "../../source/catalog.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { ProgressStore } from "../../state/progress-store.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { SampleStore } from "../../state/storage/sample-store.ts";
import { TableStore } from "../../state/table-store.ts";
import { VerifyStore } from "../../state/verify-store.ts";
import { unsettledChanges } from "../changes/look-for-changes.ts";
import { toldHolds } from "../held-tables.ts";
import { slotName } from "../names.ts";
import { type OpenCutover, switchingOf } from "./open-cutover.ts";

export async function askGates(cutover: OpenCutover, to: SideName): Promise<readonly GateResult[]> {
  const { migration, route, watch, journal, tables } = cutover;
  const { config } = migration;
  const from = otherSide(to);
  const asking = (name: SideName): Ask => {
    return async (sql, values) => askOf(await watch(name))(sql, values);
  };
  const side = (name: SideName): SideFacts => switchingOf(migration, name).facts(asking(name));
  const context: GateContext = {
    migration: migration.name,
    from: side(from),
    to: side(to),
    between: switchingOf(migration, "target").between(asking(from), asking(to)),
    tables,
    slots: { source: slotName(migration.name, "forward"), target: slotName(migration.name, "reverse") },
    limits: config.cutover.gates,
    access: migration.target.capabilities.keeps,
    facts: factsOf(cutover),
    route,
    now: () => Date.now(),
  };
  const gates = await checkGates(context);
  migration.state.write(() => {
    for (const gate of gates) journal.append("gate", { to, ...gate });
  });
  return gates;
}

function factsOf({ migration, stream, watch, tables }: OpenCutover): GateFacts {
  const { state } = migration;
  return {
    notRunning: (side) => stream.notRunning(side),
    held: () => toldHolds(state),
    notJoined: () => new TableStore(state).all().flatMap(({ table, phase }) => (phase === "joined" || phase === "live" ? [] : [table.id])),
    lagSamples: () => samplesOfPrimary(state),
    lastError: () => new ProgressStore(state).get()?.lastError ?? null,
    verdicts: () => new VerifyStore(state).latest(),
    sourceChanges: async () => unsettledChanges({ migration, side: "source", tables }, await watch("source")),
    drift: async () => driftOf(tables, await tablesNow(migration.config.tables, await watch("source"))),
  };
}

/** Of the stream out of the side that is the primary now: before the last switch it was the other one's. */
function samplesOfPrimary(state: StateDatabase): ReturnType<SampleStore["all"]> {
  const attempt = new CutoverStore(state).load();
  const since = attempt?.outcome === "switched" ? Date.parse(attempt.steps.resume?.doneAt ?? attempt.startedAt) : 0;
  return new SampleStore(state).all().filter(({ at }) => at >= since);
}

/** The selected tables as the source's catalog has them now. */
export function tablesNow(
  { include, exclude }: { readonly include: readonly string[]; readonly exclude: readonly string[] },
  client: pg.Client,
): Promise<readonly Table[]> {
  return readTables(client, { include, exclude });
}

/** How the tables of the catalog differ from those that stream; partitions may come and go, the stream carries them by their root. */
function driftOf(planned: readonly Table[], now: readonly Table[]): readonly string[] {
  const current = new Map(now.map((table) => [table.id, table]));
  const known = new Set(planned.map(({ id }) => id));
  return [
    ...planned.flatMap((table) => {
      const found = current.get(table.id);
      if (found === undefined) return [`${table.id} is gone`];
      return shapeOf(found) === shapeOf(table) ? [] : [`${table.id} has other columns or another key`];
    }),
    ...now.filter(({ id }) => !known.has(id)).map(({ id }) => `${id} is new, and is not streamed`),
  ];
}

function shapeOf({ columns, key }: Table): string {
  return JSON.stringify([columns.map(({ name, type }) => [name, type]), key]);
}
