import type pg from "pg";

/** Which database it is, and what its bytes mean. */
export interface DatabaseFact {
  readonly systemIdentifier: string;
  readonly database: string;
  readonly serverVersion: string;
  readonly encoding: string;
}

export async function describeDatabase(client: pg.Client): Promise<DatabaseFact> {
  const { rows } = await client.query<{ id: string; database: string; version: string; encoding: string }>(
    `select (select system_identifier::text from pg_control_system()) as id, current_database()::text as database,
            current_setting('server_version') as version, current_setting('server_encoding') as encoding`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error("the server did not answer");
  return { systemIdentifier: row.id, database: row.database, serverVersion: row.version, encoding: row.encoding };
}
