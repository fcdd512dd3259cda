import type pg from "pg";

/**
 * One client of `pg`, or anything that runs a statement as it does. Statements cast what they return to text: sessions are opened
 * with and without type parsers.
 */
export interface Queryable {
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<R>>;
}
