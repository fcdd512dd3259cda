/**
 * How the moved tables stand at the source at one moment, in what shows whether something happened to them that the stream does not carry
 * (manual: "CREATE PUBLICATION", publish_via_partition_root; "Logical Replication", Restrictions). Two footprints, one after another, tell it.
 */

import type pg from "pg";
import type { SideName } from "../../model/side.ts";
import { type Table, tableId } from "../../model/table.ts";
import { asPghaulError } from "../../postgres/wrap-error.ts";
import { selectWatchedParts, selectWatchedPublication, selectWatchedTables, type WatchedPartRow } from "../queries/change-queries.ts";

/** JSON, for it is kept in the state. */
export interface Footprint {
  readonly publication: { readonly oid: string; readonly xmin: string; readonly complete: boolean } | null;
  /** By the id under which a table was planned; one that is gone is missing. */
  readonly tables: Readonly<Record<string, TableFootprint>>;
}

export interface TableFootprint {
  /** `tableId` now. */
  readonly name: string;
  readonly schema: string;
  readonly relation: string;
  /** Its row in the publication; null when it is not in it, or not whole. */
  readonly published: string | null;
  readonly columns: string;
  readonly touched: string;
  readonly types: string;
  /** Absent in what an earlier version remembered. */
  readonly generated?: string;
  /** By oid. */
  readonly leaves: Readonly<Record<string, LeafFootprint>>;
}

export interface LeafFootprint {
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly persistence: string;
  readonly node: string;
  /** The transactions that made the links between it and its root, the topmost first; null for an ordinary table. */
  readonly attached: string | null;
  /** The last of them made the table too. */
  readonly born: boolean;
  readonly identified: boolean;
}

/** Three statements on catalogs. Throws what the side answers. */
export async function readFootprint(
  client: pg.Client,
  { side, publication }: { readonly side: SideName; readonly publication: string },
  tables: readonly Table[],
): Promise<Footprint> {
  try {
    const oids = tables.map(({ oid }) => oid);
    const published = await selectWatchedPublication(client, publication);
    const found = new Map((await selectWatchedTables(client, publication, oids)).map((row) => [Number(row.oid), row]));
    const parts = Map.groupBy(await selectWatchedParts(client, oids), ({ root }) => Number(root));
    return {
      publication: published === null ? null : { ...published, complete: published.complete === "true" },
      tables: Object.fromEntries(
        tables.flatMap(({ id, oid }) => {
          const row = found.get(oid);
          if (row === undefined) return [];
          const { schema, name, published, columns, touched, types, generated } = row;
          const leaves = leavesOf(parts.get(oid) ?? []);
          return [[id, { name: tableId(row), schema, relation: name, published, columns, touched, types, generated, leaves }]];
        }),
      ),
    };
  } catch (error) {
    throw asPghaulError(error, side, { step: `changes at the ${side}` });
  }
}

function leavesOf(rows: readonly WatchedPartRow[]): Readonly<Record<string, LeafFootprint>> {
  return Object.fromEntries(
    rows.map(({ oid, root: _, born, identified, ...row }) => [oid, { ...row, born: born === "true", identified: identified === "true" }]),
  );
}
