import type Database from "better-sqlite3";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { INITIAL_SCHEMA } from "./migrations/0001-initial.ts";

/** In order; the place in the list, from 1, is the schema's version. Append only: state directories in use hold every one of them. */
export const MIGRATIONS: readonly string[] = [INITIAL_SCHEMA];

/** "pgha": tells our files from anybody's SQLite database (sqlite.org/pragma.html#pragma_application_id). */
const APPLICATION_ID = 0x70676861;

/** The version of the schema in the file; 0 for a new one. Throws STATE_CORRUPT when it is no state of pghaul, STATE_NEWER. */
export function schemaVersion(sqlite: Database.Database, directory: string, newest: number): number {
  const application = sqlite.pragma("application_id", { simple: true });
  if (application !== APPLICATION_ID) {
    const { objects } = sqlite.prepare<[], { objects: number }>("select count(*) as objects from sqlite_schema").get() ?? { objects: 0 };
    if (application === 0 && objects === 0) return 0;
    throw new PghaulError("STATE_CORRUPT", `the database in the state directory ${directory} is not one of pghaul's`);
  }
  const { version } = sqlite.prepare<[], { version: number }>("select coalesce(max(version), 0) as version from schema_version").get() ?? {
    version: 0,
  };
  if (version > newest) {
    throw new PghaulError(
      "STATE_NEWER",
      `the state directory ${directory} has schema version ${version}; this pghaul knows versions up to ${newest}`,
    );
  }
  return version;
}

/** Brings the schema to the newest version in one transaction: a crash leaves the old version, whole. */
export function migrate(sqlite: Database.Database, directory: string, migrations: readonly string[]): void {
  sqlite
    .transaction(() => {
      // Asked again under the write lock: two processes may open a new directory at the same moment.
      const version = schemaVersion(sqlite, directory, migrations.length);
      if (version === 0) {
        sqlite.pragma(`application_id = ${APPLICATION_ID}`);
        sqlite.exec("create table schema_version (version integer primary key, applied_at text not null) strict");
      }
      for (const [index, sql] of migrations.entries()) {
        if (index < version) continue;
        sqlite.exec(sql);
        sqlite.prepare("insert into schema_version (version, applied_at) values (?, ?)").run(index + 1, new Date().toISOString());
      }
    })
    .immediate();
}
