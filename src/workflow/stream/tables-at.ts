import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { StreamName } from "../../model/side.ts";
import { type Table, withoutTypeOids } from "../../model/table.ts";
import { selectPublished } from "../../source/queries/publication-queries.ts";
import { publicationName } from "../names.ts";

/**
 * The tables with the OIDs under which a stream brings them. On record are the source's; those of the target are read from the publication
 * of the way back, which keeps them whatever becomes of the names. `client` is a session at the side that the stream reads. Throws
 * PUBLICATION_CHANGED when the publication lacks one.
 */
export async function tablesAt(
  client: pg.Client,
  migration: { readonly name: string },
  stream: StreamName,
  tables: readonly Table[],
): Promise<readonly Table[]> {
  if (stream === "forward") return tables;
  const publication = publicationName(migration.name);
  const published = await selectPublished(client, publication);
  return tables.map((table) => {
    const found = published.find(({ schema, name }) => schema === table.schema && name === table.name);
    if (found !== undefined) return { ...table, oid: Number(found.oid), columns: withoutTypeOids(table.columns) };
    throw new PghaulError("PUBLICATION_CHANGED", `the publication ${publication} at the target does not include ${table.id}`, {
      context: { table: table.id, publication },
      side: "target",
      suggestion: "if the table was renamed there, rename it back; then: pghaul run",
    });
  });
}
