/**
 * Version 1 of the state database.
 *
 * How values are held: an LSN as PostgreSQL prints it (`16/B374D848`; never compared as text), a 64-bit xid and microseconds as
 * decimal text, counts of rows in verdicts too (an INTEGER would come back as a rounded JavaScript number), a moment as ISO 8601 in UTC, a row of a key as a JSON
 * array of latin1 strings (`src/model/value.ts`), which JSON carries byte for byte.
 */
export const INITIAL_SCHEMA = `
-- What this state belongs to; written once, compared at every start.
create table identity (
  name  text primary key,
  value text not null
) strict, without rowid;

create table migration_table (
  id             text primary key,
  ordinal        integer not null,
  definition     text not null,
  expected_rows  integer not null,
  expected_bytes integer not null,
  -- When the table was emptied to be loaded anew, or its columns changed; verdicts from before it say nothing any more.
  changed_at     text
) strict, without rowid;

-- How far a table is at each of the target's databases.
create table table_state (
  destination text not null,
  table_id    text not null references migration_table (id),
  phase       text not null check (phase in ('pending', 'loading', 'loaded', 'joined', 'live')),
  loading_at  text,
  loaded_at   text,
  joined_at   text,
  live_at     text,
  primary key (table_id, destination)
) strict, without rowid;

-- Tables that stand still at a destination. held: it refused a row, as its own record says; kept here for whoever has no session there.
-- failed: nothing can be written to the table for another reason.
create table hold (
  stream       text not null check (stream in ('forward', 'reverse')),
  destination  text not null,
  table_id     text not null,
  state        text not null default 'held' check (state in ('held', 'failed')),
  at           text not null,
  reason       text not null,
  sqlstate     text,
  lsn          text,
  key          text,
  -- An operator's wish to load the table anew; the process that streams fulfils it.
  reload_asked text,
  -- Why the last wish was not fulfilled.
  reload_refused text,
  primary key (stream, destination, table_id)
) strict, without rowid;

-- autoincrement: the target remembers merged chunks by id, so an id must never come twice, not even after a delete.
create table chunk (
  id             integer primary key autoincrement,
  table_id       text not null,
  leaf           text not null,
  from_key       text,
  from_inclusive integer not null check (from_inclusive in (0, 1)),
  to_key         text,
  to_inclusive   integer not null check (to_inclusive in (0, 1))
) strict;
create index chunk_table on chunk (table_id, id);

-- What of a chunk each destination took; it is done when all of them have.
create table chunk_merge (
  chunk_id    integer not null references chunk (id),
  destination text not null,
  merged_at   text not null,
  row_count   integer not null,
  byte_count  integer not null,
  primary key (chunk_id, destination)
) strict, without rowid;

create table tail (
  stream             text primary key check (stream in ('forward', 'reverse')),
  slot               text not null,
  start_lsn          text not null,
  durable_lsn        text not null,
  xid_reference      text not null,
  visible_floor      text,
  last_commit_micros text,
  transactions       integer not null default 0,
  changes            integer not null default 0,
  bytes              integer not null default 0,
  updated_at         text not null
) strict, without rowid;

-- How far each destination of a stream is, as last heard. Its own record is the truth.
create table position (
  stream      text not null check (stream in ('forward', 'reverse')),
  destination text not null,
  applied_lsn text not null,
  updated_at  text not null,
  primary key (stream, destination)
) strict, without rowid;

-- One row: what the running process last said of itself.
create table progress (
  only_row           integer primary key check (only_row = 1),
  phase              text not null,
  waiting            text,
  lag_bytes          real,
  lag_seconds        real,
  bytes_per_second   real not null,
  changes_per_second real not null,
  slot               text,
  throttle           text,
  last_error         text,
  pid                integer not null,
  updated_at         text not null
) strict;

-- Time series for the report; a row stands for width_ms milliseconds from at_ms on.
create table sample (
  width_ms               integer not null,
  at_ms                  integer not null,
  lag_bytes              real,
  lag_bytes_max          real,
  lag_seconds            real,
  lag_seconds_max        real,
  bytes_per_second       real not null,
  bytes_per_second_max   real not null,
  changes_per_second     real not null,
  changes_per_second_max real not null,
  primary key (width_ms, at_ms)
) strict, without rowid;

create table verdict (
  id          integer primary key autoincrement,
  run_id      text not null,
  table_id    text not null,
  equal       integer not null check (equal in (0, 1)),
  source_rows text not null,
  target_rows text not null,
  lsn_from    text not null,
  lsn         text not null,
  chunks      integer not null,
  millis      integer not null,
  differences text not null,
  at          text not null
) strict;
create index verdict_table on verdict (table_id, id);

create table run (
  id         text primary key,
  command    text not null,
  pid        integer not null,
  host       text not null,
  started_at text not null,
  ended_at   text,
  outcome    text
) strict, without rowid;

-- Documents with a version, replaced by compare-and-set.
create table document (
  name       text primary key,
  version    integer not null,
  body       text not null,
  updated_at text not null
) strict, without rowid;

create table journal (
  seq         integer primary key,
  at          text not null,
  user        text not null,
  host        text not null,
  pid         integer not null,
  kind        text not null,
  migration   text not null,
  plan_digest text,
  evidence    text not null,
  prev_hash   text not null,
  hash        text not null
) strict;
create trigger journal_refuses_update before update on journal
begin
  select raise(abort, 'the journal is append-only');
end;
create trigger journal_refuses_delete before delete on journal
begin
  select raise(abort, 'the journal is append-only');
end;
-- INSERT OR REPLACE deletes without firing the trigger above (sqlite.org/lang_conflict.html), so a taken number is refused here.
create trigger journal_appends_only before insert on journal
when new.seq <> (select coalesce(max(seq), 0) + 1 from journal)
begin
  select raise(abort, 'the journal is append-only');
end;
`;
