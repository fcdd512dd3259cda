/** What makes the stream lose changes for as long as it stands: nothing goes on before it is fixed. */
import { PghaulError } from "../../errors/pghaul-error.ts";
import { otherSide, type SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { qualifiedName, quoteIdent } from "../../postgres/quote.ts";
import { addTablesSql, completeOptionsSql } from "../queries/publication-queries.ts";
import type { Footprint } from "./footprint.ts";

const NAMED = 5;

export interface SourceFault {
  readonly error: PghaulError;
  /** Ids of the tables whose rows may differ by now. */
  readonly tables: readonly string[];
}

/** What a stream reads: a publication of a side. */
export interface Published {
  readonly side: SideName;
  readonly publication: string;
}

/** The worst that is wrong now, or null. */
export function faultOf(read: Published, footprint: Footprint, tables: readonly Table[]): SourceFault | null {
  return renamed(read.side, footprint, tables) ?? unpublished(read, footprint, tables);
}

function renamed(side: SideName, { tables: found }: Footprint, tables: readonly Table[]): SourceFault | null {
  const moved = tables.flatMap((table) => {
    const now = found[table.id];
    return now === undefined || now.name === table.id ? [] : [{ table, now }];
  });
  if (moved.length === 0) return null;
  const what = moved.map(({ table, now }) => `${table.id} is now ${now.name}`).slice(0, NAMED);
  const back = moved.flatMap(({ table, now }) => {
    const asNamed = qualifiedName(now.schema, table.name);
    return [
      ...(now.relation === table.name
        ? []
        : [`alter table ${qualifiedName(now.schema, now.relation)} rename to ${quoteIdent(table.name)};`]),
      ...(now.schema === table.schema ? [] : [`alter table ${asNamed} set schema ${quoteIdent(table.schema)};`]),
    ];
  });
  const message = `renamed at the ${side}: ${what.join(", ")}; the ${otherSide(side)} still has the old name`;
  const error = new PghaulError("TABLE_RENAMED", message, {
    context: { table: moved[0]?.table.id ?? "" },
    side,
    suggestion: `${back.join(" ")}   -- at the ${side}; then: pghaul run, and pghaul verify run`,
  });
  return { error, tables: moved.map(({ table }) => table.id) };
}

function unpublished(
  { side, publication: name }: Published,
  { publication, tables: found }: Footprint,
  tables: readonly Table[],
): SourceFault | null {
  const ids = tables.map(({ id }) => id);
  if (publication === null) {
    const error = new PghaulError("PUBLICATION_CHANGED", `somebody dropped the publication ${name}: nothing can be streamed without it`, {
      context: { publication: name },
      side,
      suggestion:
        side === "source"
          ? "run pghaul cdc teardown; then empty the target and set another state directory; then pghaul run"
          : "the way back is lost: stay at the target. When you have decided on that, run: pghaul cdc teardown",
    });
    return { error, tables: ids };
  }
  const missing = tables.filter(({ id }) => found[id] !== undefined && found[id].published === null);
  if (missing.length === 0 && publication.complete) return null;
  const named = missing.map(({ id }) => id).slice(0, NAMED);
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : "";
  const what = [
    ...(missing.length === 0 ? [] : [`it does not publish ${named.join(", ")}${more} completely`]),
    ...(publication.complete ? [] : ["it does not publish every kind of change under the name of the root table"]),
  ];
  const statements = [
    ...(publication.complete ? [] : [completeOptionsSql(name)]),
    ...(missing.length === 0
      ? []
      : [
          addTablesSql(
            name,
            missing.map((table) => qualifiedName(table.schema, table.name)),
          ),
        ]),
  ];
  const error = new PghaulError("PUBLICATION_CHANGED", `somebody altered the publication ${name}: ${what.join("; ")}`, {
    context: { publication: name, tables: missing.length },
    side,
    suggestion: `${statements.map((one) => `${one};`).join(" ")}   -- at the ${side}; then: pghaul run, and pghaul verify run for what was written meanwhile`,
  });
  return { error, tables: publication.complete ? missing.map(({ id }) => id) : ids };
}
