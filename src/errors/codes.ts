/**
 * Every error code that pghaul can show, with the kind that decides its exit code (see `policy.ts`).
 *
 * The codes are a public contract: scripts match on them. Add freely; never rename or reuse one. The text beside each code
 * becomes `docs/errors.md` (generated), so it is written for the operator: what it means and what to do.
 */
export const ERROR_CODES = {
  // usage and config
  USAGE: { kind: "usage", title: "The command line could not be understood", help: "Compare with `pghaul help COMMAND`." },
  CONFIG_NOT_FOUND: { kind: "config", title: "No configuration file", help: "Run `pghaul init`, or name a file with --config." },
  CONFIG_INVALID: {
    kind: "config",
    title: "The configuration file is not valid",
    help: "Fix the key named in the message; `schema/pghaul.schema.json` lists them all.",
  },
  CONFIG_ENV_MISSING: {
    kind: "config",
    title: "A ${NAME} in the configuration is not set",
    help: "Set the environment variable, or use urlFile, passwordFile or passwordCommand.",
  },
  CONNECTION_STRING_INVALID: {
    kind: "config",
    title: "A connection string could not be understood",
    help: "Use a URI (postgresql://user@host/db) or key=value pairs, as psql does.",
  },
  CONFIG_CHANGED: {
    kind: "config",
    title: "The configuration no longer matches the state directory",
    help: "The state belongs to another source, target or table list. Restore the old value, or start with an empty state directory.",
  },
  TARGET_KIND: {
    kind: "config",
    title: "This kind of target does not support that",
    help: "A switch of traffic, its gates and the way back need a PostgreSQL database as the target.",
  },
  TOOL_MISSING: {
    kind: "config",
    title: "A program that pghaul calls is not installed",
    help: "Install the PostgreSQL client tools of the target's version or newer (pg_dump, psql).",
  },
  // checks and gates
  CHECK_FAILED: { kind: "check", title: "A precheck failed", help: "Run the statement shown under `fix`, then run `pghaul check` again." },
  TABLE_CLAIMED: {
    kind: "check",
    title: "Another migration already moves one of the tables",
    help: "On either side, a table belongs to one migration at a time. End the other migration (`pghaul cdc teardown`), or leave the table out of this one.",
  },
  GATE_CLOSED: {
    kind: "gate",
    title: "A cutover gate is closed",
    help: "The evidence shows why. Wait, or fix the cause, then run `pghaul cutover check`.",
  },
  PLAN_CHANGED: {
    kind: "confirm",
    title: "The plan is not the one that was reviewed",
    help: "Review the new plan (`pghaul cutover plan`) and pass its digest.",
  },
  NOT_CONFIRMED: {
    kind: "confirm",
    title: "A dangerous step was not confirmed",
    help: "Pass --confirm NAME --plan-digest HASH, or run the command in a terminal.",
  },
  DIFFERENCES_FOUND: { kind: "differences", title: "Source and target differ", help: "`pghaul verify diff` lists the rows and columns." },
  // source
  SOURCE_UNREACHABLE: {
    kind: "source",
    title: "The source cannot be reached",
    help: "Check host, port, firewall and credentials; `pghaul check` shows the attempt.",
  },
  SOURCE_AUTH: {
    kind: "source",
    title: "The source refused the credentials",
    help: "Check user and password (.pgpass, passwordFile, command) and pg_hba.conf.",
  },
  SOURCE_PRIVILEGE: { kind: "source", title: "A privilege is missing at the source", help: "Run the GRANT that `pghaul check` shows." },
  SOURCE_WAL_LEVEL: {
    kind: "source",
    title: "The source does not write logical WAL",
    help: "Run `alter system set wal_level = 'logical';` and restart the source.",
  },
  SOURCE_NO_IDENTITY: {
    kind: "source",
    title: "A table has no replica identity",
    help: "If it were published, the application's UPDATE would fail. Add a primary key, or run `alter table T replica identity full;`.",
  },
  SOURCE_LOST: {
    kind: "source",
    title: "The connection to the source was lost",
    help: "Nothing is lost. pghaul retries for a while. Run the same command again when the source is back.",
  },
  SOURCE_DRIFT: {
    kind: "source",
    title: "The source does not have a row that the way back changes, or already has one that it inserts",
    help: "The target is the primary, and somebody else wrote at the source. `pghaul verify diff` lists the rows.",
  },
  SOURCE_SCHEMA: {
    kind: "source",
    title: "The source's schema does not fit the changes from the way back",
    help: "The message names the table and the column.",
  },
  SOURCE_QUERY: { kind: "source", title: "The source refused a statement", help: "The cause shows why." },
  BARRIER_TIMEOUT: {
    kind: "try-later",
    title: "Old transactions at the source prevent the load from starting",
    help: "End the transactions listed, or wait and run the command again.",
  },
  SLOT_LOST: {
    kind: "source",
    title: "The replication slot is gone or invalid",
    help: "Changes since the last acknowledged LSN can no longer be read. Start over with an empty state directory and an empty target, and check max_slot_wal_keep_size.",
  },
  SLOT_FOREIGN: {
    kind: "source",
    title: "The replication slot belongs to somebody else",
    help: "Its position does not match this state directory. Give the migration another name, or drop the slot.",
  },
  SLOT_ACTIVE: {
    kind: "try-later",
    title: "The replication slot is in use",
    help: "Another process is reading from it. The message has its PID.",
  },
  SCHEMA_DRIFT: {
    kind: "source",
    title: "A table's columns changed during the migration",
    help: "Everything before the change is applied. Add or drop the same columns on the other side, then run the command again. pghaul cannot follow a changed type or key. A file target holds only such a table: `pghaul snapshot reload --table T` reads it again with its new columns.",
  },
  PUBLICATION_CHANGED: {
    kind: "source",
    title: "Somebody altered or dropped the migration's publication",
    help: "What was written meanwhile was not streamed. Run the statement shown, at the source, then `pghaul run`, then `pghaul verify run`. A table that differs must be fixed or moved again.",
  },
  TABLE_RENAMED: {
    kind: "source",
    title: "A table was renamed or moved to another schema during the migration",
    help: "Its changes still stream, but the target has it under the old name. Rename it back at the source, then run `pghaul run`, then `pghaul verify run`.",
  },
  DECODE_FAILED: {
    kind: "bug",
    title: "The replication stream could not be decoded",
    help: "Please report it, with the output of `pghaul --version` and the source's version.",
  },
  // target
  TARGET_UNREACHABLE: { kind: "target", title: "The target cannot be reached", help: "Check host, port, firewall and credentials." },
  TARGET_AUTH: { kind: "target", title: "The target refused the credentials", help: "Check user and password and pg_hba.conf." },
  TARGET_PRIVILEGE: {
    kind: "target",
    title: "A privilege is missing at the target",
    help: "Run the GRANT that `pghaul check` shows. If the target is a directory, let this user read and write it.",
  },
  TARGET_LOST: {
    kind: "target",
    title: "The connection to the target was lost",
    help: "Nothing is lost: the log keeps filling. pghaul retries for a while. Run the same command again when the target is back.",
  },
  TARGET_WAL_LEVEL: {
    kind: "target",
    title: "The target does not write logical WAL, which the way back needs",
    help: "Run `alter system set wal_level = 'logical';` and restart the target.",
  },
  TARGET_QUERY: { kind: "target", title: "The target refused a statement", help: "The cause shows why." },
  ROW_REFUSED: {
    kind: "target",
    title: "A side refuses a row of the other side",
    help: "The table is held: nothing more is applied to it, and the other tables go on. Remove the cause at the target, then run `pghaul snapshot reload --table T`.",
  },
  TABLE_HELD: {
    kind: "target",
    title: "A table is held",
    help: "The target refused one of its rows or, with a file target, its columns changed; `pghaul status` shows which. Remove the cause at the target, if there is one, then run `pghaul snapshot reload --table T`.",
  },
  TARGET_NOT_EMPTY: {
    kind: "target",
    title: "A table at the target already holds rows",
    help: "Empty the table at the target, or leave it out of the migration.",
  },
  TARGET_DRIFT: {
    kind: "target",
    title: "The target lacks a row that it should have, or has one that it should not",
    help: "Somebody else wrote at the target. `pghaul verify diff` lists the rows.",
  },
  TARGET_SCHEMA: {
    kind: "target",
    title: "The schema could not be created at the target",
    help: "The cause names the statement from pg_dump that failed.",
  },
  TARGET_FOREIGN: {
    kind: "config",
    title: "The target directory belongs to somebody else",
    help: "It holds files of another migration or source, or files that pghaul did not write. Use another directory.",
  },
  TARGET_NEWER: { kind: "config", title: "The target directory was written by a newer pghaul", help: "Use that version or newer." },
  TARGET_DAMAGED: {
    kind: "target",
    title: "A file in the target directory is damaged or missing",
    help: "The message names it. Restore it from a copy; do not edit it. If there is no copy, start over with another target directory and another state directory.",
  },
  TARGET_DISK_FULL: {
    kind: "try-later",
    title: "No space left in the target directory, or for temporary files",
    help: "Free space where the message says and run the same command again. The log keeps what was not written. Temporary files of `verify` are in the state directory, those of `restore` where --scratch says.",
  },
  PARTITION_MISSING: {
    kind: "target",
    title: "A side has no partition for a row",
    help: "A partition was created on one side only. Run the statement shown, on the side it names, then `pghaul run`: it continues at that row.",
  },
  // log and state
  STREAM_NOT_RUNNING: {
    kind: "try-later",
    title: "No stream is running, or it is not far enough along",
    help: "Start `pghaul run` (or `pghaul cdc start`), wait for the phase that the message names, then run the command again.",
  },
  STATE_LOCKED: {
    kind: "locked",
    title: "Another process is using this state directory",
    help: "The message names it. Wait for it, or stop it.",
  },
  STATE_NEWER: { kind: "config", title: "The state was written by a newer pghaul", help: "Use that version or newer." },
  STATE_CORRUPT: { kind: "config", title: "The state directory is damaged", help: "Restore it from a copy; do not edit it." },
  STATE_DISK_FULL: {
    kind: "try-later",
    title: "No space left in the state directory",
    help: "Free some space and run the same command again. The slot keeps what was not written.",
  },
  STATE_STALE: {
    kind: "locked",
    title: "Another machine went on with the migration",
    help: "The state directory here is older than the bucket. Move it away; `pghaul run` then goes on from the bucket.",
  },
  BUCKET_UNREACHABLE: {
    kind: "try-later",
    title: "The bucket does not answer",
    help: "Nothing is lost: the source keeps what is not uploaded. A running process tries again; `pghaul check` shows the attempt.",
  },
  BUCKET_REFUSED: {
    kind: "config",
    title: "The bucket refuses a request",
    help: "Check its name, region, credentials and policy; `pghaul check` tells which permission is missing.",
  },
  BUCKET_DAMAGED: {
    kind: "config",
    title: "An object in the bucket is damaged or missing",
    help: "The message names it. Restore it (an earlier version, where the bucket keeps versions); without it the migration must begin anew.",
  },
  LOG_CORRUPT: {
    kind: "config",
    title: "A segment of the change log is damaged",
    help: "The message names the segment and the offset. Restore the segment from a copy. Without it, the change log has a hole and the load must start over.",
  },
  LOG_GAP: {
    kind: "config",
    title: "The change log no longer holds a position that is needed",
    help: "Run the command again. If that does not help, start over with an empty state directory and an empty target.",
  },
  // cutover
  CUTOVER_STATE: {
    kind: "gate",
    title: "The state of the cutover does not allow this",
    help: "`pghaul cutover status` shows what is possible now.",
  },
  CUTOVER_DEADLINE: {
    kind: "try-later",
    title: "A cutover step missed its deadline",
    help: "Everything was undone, and the old primary takes writes. Look at the step's evidence, then run the command again.",
  },
  CUTOVER_UNSETTLED: {
    kind: "try-later",
    title: "A switch stopped in the middle and could not be settled yet",
    help: "If the message does not name a side that takes writes, both sides may refuse them until the switch is settled. `pghaul run` tries again every few seconds. `pghaul cutover status` says what prevents it.",
  },
  FENCE_BREACH: {
    kind: "gate",
    title: "A write got past the fence",
    help: "The change log shows a write by somebody else after the marker. Look at it before anything else.",
  },
  ROUTE_FAILED: { kind: "gate", title: "The route could not be changed", help: "The message has the hook's exit code and its last line." },
  REALITY_DIFFERS: {
    kind: "gate",
    title: "The databases do not show what the journal says",
    help: "The message has both. Decide which is right before you go on.",
  },
  // flow
  INTERRUPTED: { kind: "interrupted", title: "Interrupted, state saved", help: "Run the same command again to continue." },
  BUG: { kind: "bug", title: "A bug in pghaul", help: "Please report it. DEBUG=pghaul shows the stack trace." },
} as const satisfies Record<string, ErrorEntry>;

/** What decides the exit code and the retry of an error; see `policy.ts`. */
export type ErrorKind =
  | "bug"
  | "usage"
  | "config"
  | "check"
  | "gate"
  | "differences"
  | "source"
  | "target"
  | "locked"
  | "confirm"
  | "try-later"
  | "interrupted";

export interface ErrorEntry {
  readonly kind: ErrorKind;
  readonly title: string;
  readonly help: string;
}

/** A stable code such as `SLOT_LOST`. */
export type ErrorCode = keyof typeof ERROR_CODES;
