import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../model/side.ts";
import type { Table } from "../model/table.ts";
import { withQuietEventTriggers } from "../postgres/quiet-ddl.ts";
import { qualifiedName } from "../postgres/quote.ts";
import { asPghaulError, sqlState } from "../postgres/wrap-error.ts";
import {
  addTablesSql,
  completeOptionsSql,
  createPublicationSql,
  dropPublicationSql,
  dropTablesSql,
  selectPublication,
  selectPublished,
} from "./queries/publication-queries.ts";

const INSUFFICIENT_PRIVILEGE = "42501";

/** A publication and the side that holds it; errors bear its name. */
export interface PublicationAt {
  readonly side: SideName;
  readonly name: string;
}

/**
 * Makes the publication, or brings it to exactly these tables, whole. True when something was changed: a barrier must then be taken, for
 * ALTER PUBLICATION does not wait for writers, and those under way are streamed in part or not at all (research, scenario C).
 *
 * It is only ever altered: a slot decodes with the catalog of its WAL position, and a publication that was dropped in between breaks it
 * (research, section 9). Partitions are published as their root, so that one attached tomorrow is in it.
 *
 * Throws *_PRIVILEGE with the statements for whoever owns the tables; once they were run, nothing is left to do here.
 */
export async function ensurePublication(client: pg.Client, { side, name }: PublicationAt, tables: readonly Table[]): Promise<boolean> {
  const statements = await missingStatements(client, { side, name }, tables).catch((error: unknown) => {
    throw asPghaulError(error, side, { step: "publication" });
  });
  if (statements.length === 0) return false;
  try {
    await withQuietEventTriggers(client, () => inOneTransaction(client, statements));
    return true;
  } catch (error) {
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw asPghaulError(error, side, { step: "publication" });
    const { message } = asPghaulError(error, side);
    throw new PghaulError(
      sideCode(side, "PRIVILEGE"),
      `a publication needs CREATE on the database and ownership of every table in it: ${message}`,
      {
        context: { step: "publication" },
        suggestion: statements.map((statement) => `${statement};`).join("\n"),
      },
    );
  }
}

async function inOneTransaction(client: pg.Client, statements: readonly string[]): Promise<void> {
  try {
    await client.query("begin");
    for (const statement of statements) await client.query(statement);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** The statements that are still needed, in order; none when the publication is as wanted. */
async function missingStatements(client: pg.Client, { side, name }: PublicationAt, tables: readonly Table[]): Promise<readonly string[]> {
  const wanted = tables.map((table) => qualifiedName(table.schema, table.name));
  const publication = await selectPublication(client, name);
  if (publication === null) return [createPublicationSql(name, wanted)];
  if (publication.all_tables === "true") {
    throw new PghaulError(
      sideCode(side, "QUERY"),
      `publication ${name} is FOR ALL TABLES, which cannot be narrowed to the tables of this migration`,
      {
        context: { step: "publication" },
        suggestion: "Give this migration another name, so that it creates its own publication.",
      },
    );
  }
  const published = await selectPublished(client, name);
  const whole = new Set(published.filter(({ partial }) => partial === "false").map((row) => qualifiedName(row.schema, row.name)));
  const missing = wanted.filter((table) => !whole.has(table));
  const extra = published.map((row) => qualifiedName(row.schema, row.name)).filter((table) => !wanted.includes(table) || !whole.has(table));
  return [
    ...(publication.complete === "true" ? [] : [completeOptionsSql(name)]),
    ...(extra.length === 0 ? [] : [dropTablesSql(name, extra)]),
    ...(missing.length === 0 ? [] : [addTablesSql(name, missing)]),
  ];
}

export async function dropPublication(client: pg.Client, name: string): Promise<void> {
  await client.query(dropPublicationSql(name));
}
