/**
 * Looks at a side for what the stream out of it does not carry: partitions that come and go, tables written anew, a publication that somebody
 * altered. What is found is told at once and noted, so that no verdict from before it counts any more. While a side is not the primary, what
 * happens there is our own applier's work, or an operator's who follows the primary.
 */
import type pg from "pg";
import { primaryOf } from "../../cutover/machine.ts";
import { otherSide, type SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { type Footprint, readFootprint } from "../../source/changes/footprint.ts";
import { missingPartitions } from "../../source/changes/missing-partitions.ts";
import { changesBetween, type LeafQuestions, type SourceChange } from "../../source/changes/source-changes.ts";
import { faultOf, type SourceFault } from "../../source/changes/source-faults.ts";
import { askBriefly, selectBytes, selectFirstRowOf } from "../../source/queries/change-queries.ts";
import { CutoverStore } from "../../state/cutover-store.ts";
import { publicationName } from "../names.ts";
import type { Migration } from "../open-migration.ts";
import { type NotedChange, NotedChanges } from "./noted-changes.ts";

export interface Look {
  readonly migration: Pick<Migration, "name" | "state" | "session">;
  /** The side that is looked at. */
  readonly side: SideName;
  /** As planned, ours included, with the oids that they have at this side. */
  readonly tables: readonly Table[];
  readonly bus: ProgressBus;
}

/**
 * One look by the process that streams. The first only remembers. Throws PUBLICATION_CHANGED while changes are being lost, and TABLE_RENAMED,
 * after it has noted whose.
 */
export async function lookForChanges({ migration, side, tables, bus }: Look, client: pg.Client): Promise<void> {
  const noted = new NotedChanges(migration.state, side);
  // An operator follows the source at the target: the next look there, behind a switch, is a first one.
  if (side === "source" && primaryNow(migration) === "source") new NotedChanges(migration.state, "target").forgetFootprint();
  const before = noted.footprint;
  const seen = await compare({ migration, side, tables }, before, client);
  if (seen.notes.length > 0 || JSON.stringify(before) !== JSON.stringify(seen.footprint)) noted.record(seen.footprint, seen.notes);
  for (const { code, message, fix } of await withPartitions({ migration, side, tables }, seen.changes, client)) {
    bus.emit({ kind: "warning", code, message: fix === null ? message : `${message}; ${fix}` });
  }
  if (seen.fault !== null) throw seen.fault.error;
}

function primaryNow({ state }: Look["migration"]): SideName {
  return primaryOf(new CutoverStore(state).load());
}

/** New partitions with the statements that make them at the other side; none where it has them already, or where it cannot be asked now. */
async function withPartitions(
  { migration, side, tables }: Omit<Look, "bus">,
  changes: readonly SourceChange[],
  client: pg.Client,
): Promise<readonly SourceChange[]> {
  const grown = new Set(changes.flatMap(({ code, table }) => (code === "PARTITION_NEW" || code === "PARTITION_ATTACHED" ? [table] : [])));
  if (grown.size === 0) return changes;
  const missing = await migration
    .session(otherSide(side), "partitions", (other) =>
      missingPartitions(
        client,
        other,
        tables.filter(({ id }) => grown.has(id)),
      ),
    )
    .catch(() => null);
  return changes.flatMap((change): SourceChange[] => {
    if (missing === null || !grown.has(change.table)) return [change];
    const lacking = missing.filter(({ root }) => root === change.table);
    const make = lacking.length === 0 ? null : `${lacking.map(({ sql }) => `${sql};`).join(" ")}   -- at the ${otherSide(side)}`;
    if (change.code === "PARTITION_NEW") return make === null ? [] : [{ ...change, fix: make }];
    if (change.code !== "PARTITION_ATTACHED" || make === null) return [change];
    return [{ ...change, fix: `${make}; then: ${change.fix}` }];
  });
}

/** What has happened since the last look, and everything noted before that no comparison has settled. Writes nothing. */
export async function unsettledChanges(look: Omit<Look, "bus">, client: pg.Client): Promise<readonly NotedChange[]> {
  const noted = new NotedChanges(look.migration.state, look.side);
  return [...noted.unsettled(), ...(await compare(look, noted.footprint, client)).notes];
}

interface Seen {
  readonly footprint: Footprint;
  readonly changes: readonly SourceChange[];
  readonly fault: SourceFault | null;
  /** What puts a table in doubt. */
  readonly notes: readonly NotedChange[];
}

async function compare({ migration, side, tables }: Omit<Look, "bus">, before: Footprint | null, client: pg.Client): Promise<Seen> {
  const publication = publicationName(migration.name);
  const footprint = await readFootprint(client, { side, publication }, tables);
  if (primaryNow(migration) !== side) return { footprint, changes: [], fault: null, notes: [] };
  const changes = before === null ? [] : await changesBetween({ side, before, after: footprint }, tables, questionsTo(client));
  const fault = faultOf({ side, publication }, footprint, tables);
  const at = new Date().toISOString();
  const notes = [
    ...changes.filter(({ doubtful }) => doubtful).map(({ code, table, message, fix }) => ({ code, table, message, fix, at })),
    ...(fault === null ? [] : fault.tables.map((table) => noteOf(fault, table, at))),
  ];
  return { footprint, changes, fault, notes };
}

function noteOf({ error: { code, message, suggestion } }: SourceFault, table: string, at: string): NotedChange {
  return { code, table, message, fix: suggestion ?? null, at };
}

/** Half a second of waiting for a lock, no more: this is the session that measures the lag. */
function questionsTo(client: pg.Client): LeafQuestions {
  const asked = <T>(question: () => Promise<T>): Promise<T | null> => askBriefly(client, question).catch(() => null);
  return {
    bytes: (oid) => asked(() => selectBytes(client, oid)),
    firstRowOf: ({ schema, name }, xid) => asked(() => selectFirstRowOf(client, schema, name, xid)),
  };
}
