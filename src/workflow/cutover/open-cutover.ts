/** Everything a cutover works with, opened: sessions to both sides, the route, the memory. Nothing is changed by opening it. */

import type pg from "pg";
import type { Route } from "../../cutover/ports.ts";
import { switchSteps } from "../../cutover/switch-steps.ts";
import type { Step, WalkContext } from "../../cutover/walk-steps.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { postgresSwitching } from "../../side/postgres/switch/postgres-switching.ts";
import { JournalStore } from "../../state/audit/journal.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { TableStore } from "../../state/table-store.ts";
import type { Switching, SwitchSide } from "../../target/kind.ts";
import { crashPoints } from "../crash-point.ts";
import { markersName } from "../names.ts";
import { applierToken, type Migration } from "../open-migration.ts";
import { systemClock } from "../system-clock.ts";
import { openWatchSession } from "../watch-session.ts";
import { CutoverStream } from "./cutover-stream.ts";
import { openRoute } from "./open-route.ts";
import { switchSettings } from "./switch-settings.ts";

export interface OpenCutover {
  readonly migration: Migration;
  readonly route: Route;
  readonly sides: Readonly<Record<SideName, SwitchSide>>;
  /** Second sessions, for what must not queue behind a fence; opened when they are first asked for. Each question has its deadlines. */
  readonly watch: (side: SideName) => Promise<pg.Client>;
  readonly stream: CutoverStream;
  readonly store: CutoverStore;
  readonly journal: JournalStore;
  /** As they stream, without our own. */
  readonly tables: readonly Table[];
  steps(to: SideName): readonly Step[];
  /** For walking them; what is journalled bears the digest. */
  context(planDigest: string | null): WalkContext;
  /** Makes both sides ready to be fenced: a function in our schema, and warm caches. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

const CLOSE_MILLIS = 1_000;

/**
 * Connects to a side when it is first needed: a switch that only needs the source to be cancelled must not wait for the target. Throws
 * CONFIG_INVALID without a route, STREAM_NOT_RUNNING before `run` has planned the tables.
 */
export function openCutover(migration: Migration, bus: ProgressBus): OpenCutover {
  const store = new CutoverStore(migration.state);
  const route = openRoute(migration.config, () => store.load()?.id ?? null);
  const tables = movedTables(migration);
  const crashPoint = crashPoints(process.env.PGHAUL_CRASH_AT);
  const openSide = (name: SideName): SwitchSide =>
    switchingOf(migration, name).openSide({ tables, now: () => systemClock.now(), crashPoint });
  const sides = { source: openSide("source"), target: openSide("target") };
  const watching = new Map<SideName, Promise<pg.Client>>();
  const watch = (side: SideName): Promise<pg.Client> => {
    const opened = watching.get(side) ?? openWatchSession(migration, side);
    watching.set(side, opened);
    return opened;
  };
  const stream = new CutoverStream({ migration, sides, watch, bus });
  const settings = switchSettings(migration.config.cutover);
  const journal = new JournalStore(migration.state, migration.name);
  return {
    migration,
    route,
    sides,
    watch,
    stream,
    store,
    journal,
    tables,
    steps: (to) =>
      switchSteps({
        from: to === "target" ? sides.source : sides.target,
        to: sides[to],
        route,
        stream,
        store,
        settings,
        sleep: (millis) => systemClock.sleep(millis, new AbortController().signal),
        now: () => systemClock.now(),
      }),
    context: (planDigest) => ({
      store,
      journal: { append: (kind, evidence) => void journal.append(kind, evidence, planDigest) },
      watcher: {
        step: (id, title, state, millis) => bus.emit({ kind: "step", id, title, state, ...(millis === undefined ? {} : { ms: millis }) }),
      },
      together: (work) => migration.state.write(work),
      now: () => systemClock.now(),
      at: () => new Date().toISOString(),
      crashPoint,
    }),
    warmUp: async () => {
      await Promise.all([sides.source, sides.target].map((side) => side.takeOver(settings.sideMillis).then(() => side.warmUp())));
    },
    close: async () => {
      await Promise.all([sides.source.close(), sides.target.close(), ...[...watching.values()].map(endSoon)]);
    },
  };
}

/** How a switch asks and drives a side: the source, which is a PostgreSQL database, or the target, which says so itself. */
export function switchingOf({ name, source, target }: Migration, side: SideName): Switching {
  if (side === "source")
    return postgresSwitching(source, { migration: name, applierToken: applierToken(name), markers: markersName(name) });
  if (target.switching === null) throw new Error("cutover: the target cannot become the primary");
  return target.switching;
}

/** A server that has frozen does not say good-bye. */
async function endSoon(opening: Promise<pg.Client>): Promise<void> {
  const client = await opening.catch(() => null);
  if (client === null) return;
  const timer = setTimeout(() => client.connection.stream.destroy(), CLOSE_MILLIS);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
}

function movedTables(migration: Migration): readonly Table[] {
  const tables = new TableStore(migration.state).all().map(({ table }) => table);
  if (tables.length > 0) return tables;
  throw new PghaulError("STREAM_NOT_RUNNING", "nothing has been moved yet, so there is nothing to switch", { suggestion: "pghaul run" });
}
