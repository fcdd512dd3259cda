/**
 * The schema `pghaul` in a database that we write to: on the target from the first day, on the source from the day the reverse
 * stream exists. It is the truth on resume, for it commits together with the rows it speaks of.
 */

import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../../../model/side.ts";
import { withQuietEventTriggers } from "../../../postgres/quiet-ddl.ts";
import { asPghaulError, sqlState } from "../../../postgres/wrap-error.ts";
import { selectVersion } from "./progress-queries.ts";

const VERSION = 1;

/**
 * Keys in `pending` are JSON arrays of byte strings (model/value.ts), one character a byte: a jsonb or text[] of the values
 * themselves could not hold what a SQL_ASCII database may. So is the key in `hold`, a JSON object (model/hold.ts). Every row is of one
 * migration, that of a fence's opening by the fence's name; a migration's markers are a table of its own (claim-tables.ts).
 */
const STATEMENTS = `
create schema if not exists pghaul;
create table pghaul.meta (
  only_row boolean primary key default true check (only_row),
  version integer not null
);
create table pghaul.progress (
  migration text, stream text check (stream in ('forward', 'reverse')),
  position pg_lsn not null,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (migration, stream)
);
create table pghaul.table_progress (
  migration text, stream text, table_id text,
  cursor pg_lsn not null,
  state text not null check (state in ('loading', 'loaded', 'joined', 'held')),
  filter_view text, filter_until pg_lsn, hold text,
  primary key (migration, stream, table_id)
);
create table pghaul.merged_chunk (
  migration text, stream text, table_id text, chunk bigint,
  primary key (migration, stream, table_id, chunk)
);
create table pghaul.pending (
  migration text, stream text, table_id text, key text,
  primary key (migration, stream, table_id, key)
);
create table pghaul.lane (
  migration text, stream text, lane text,
  commits bigint not null,
  primary key (migration, stream, lane)
);
create table pghaul.restored (
  migration text, entry text,
  at timestamptz not null default clock_timestamp(),
  primary key (migration, entry)
);
create table pghaul.claim (
  table_id text primary key,
  migration text not null
);
create table pghaul.opening (
  fence text primary key,
  at timestamptz not null default clock_timestamp()
);
insert into pghaul.meta (version) values (${VERSION});`;

/**
 * Creates the schema `pghaul` unless it is there. `client` must not be in a transaction; `side` only names the errors.
 * Errors: STATE_NEWER when a newer pghaul made it, SOURCE_PRIVILEGE / TARGET_PRIVILEGE with the GRANT.
 */
export async function createProgressSchema(client: pg.Client, side: SideName): Promise<void> {
  try {
    if (!isCurrent(await selectVersion(client))) await withQuietEventTriggers(client, () => createSchema(client));
  } catch (error) {
    if (sqlState(error) !== "42501") throw asPghaulError(error, side, { step: "progress schema" });
    throw new PghaulError(sideCode(side, "PRIVILEGE"), `the role may not create the schema pghaul at the ${side}`, {
      suggestion: "select format('grant create on database %I to %I', current_database(), current_user) \\gexec",
      context: { step: "progress schema" },
    });
  }
}

async function createSchema(client: pg.Client): Promise<void> {
  await client.query("begin");
  try {
    // CREATE IF NOT EXISTS of two sessions at once fails on the catalog's unique index; one goes first.
    await client.query("select pg_advisory_xact_lock(hashtext('pghaul'))");
    if (!isCurrent(await selectVersion(client))) await client.query(STATEMENTS);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

function isCurrent(version: number | null): boolean {
  if (version !== null && version > VERSION) {
    throw new PghaulError("STATE_NEWER", `the schema pghaul in the database has version ${version}; this pghaul knows ${VERSION}`);
  }
  return version === VERSION;
}
