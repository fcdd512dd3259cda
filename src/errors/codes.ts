/**
 * Every error code that pghaul can show, with the kind that decides its exit code (see `policy.ts`).
 *
 * The codes are a public contract: scripts match on them. Add freely; never rename or reuse one. The text beside each code
 * becomes `docs/errors.md` (generated), so it is written for the operator: what it means and what to do.
 */
export const ERROR_CODES = {
  // usage and config
  USAGE: { kind: "usage", title: "The command line could not be understood", help: "Compare with `pghaul help COMMAND`." },
  CONFIG_NOT_FOUND: { kind: "config", title: "No configuration file", help: "Run `pghaul init`, or name one with --config." },
  CONFIG_INVALID: {
    kind: "config",
    title: "The configuration file is not valid",
    help: "Fix the key named in the message; `schema/pghaul.schema.json` lists them all.",
  },
  CONFIG_ENV_MISSING: {
    kind: "config",
    title: "A ${NAME} in the configuration is not set",
    help: "Set the environment variable, or use urlFile / a password command.",
  },
  CONNECTION_STRING_INVALID: {
    kind: "config",
    title: "A connection string could not be understood",
    help: "Use a URI (postgresql://user@host/db) or key=value pairs, as psql does.",
  },
  CONFIG_CHANGED: {
    kind: "config",
    title: "The configuration no longer fits the state directory",
    help: "The state belongs to another source, target or table list. Restore the old value, or start with an empty state directory.",
  },
  TARGET_KIND: {
    kind: "config",
    title: "This kind of target cannot do that",
    help: "A switch of traffic, its gates and the way back need a target that is a PostgreSQL database.",
  },
  TOOL_MISSING: {
    kind: "config",
    title: "A program that pghaul calls is not installed",
    help: "Install the PostgreSQL client tools of the target's version or newer (pg_dump, psql).",
  },
  // checks and gates
  CHECK_FAILED: { kind: "check", title: "A precheck failed", help: "Run the statement shown under `fix`, then `pghaul check` again." },
  TABLE_CLAIMED: {
    kind: "check",
    title: "Another migration moves a table of this one",
    help: "A table belongs to one migration at a time, at either side. End the other one (`pghaul cdc teardown`), or leave the table out here.",
  },
  GATE_CLOSED: {
    kind: "gate",
    title: "A cutover gate is closed",
    help: "The evidence shows why; wait or fix it, then `pghaul cutover check`.",
  },
  PLAN_CHANGED: {
    kind: "confirm",
    title: "The plan is not the one that was reviewed",
    help: "Review the new plan (`pghaul cutover plan`) and pass its digest.",
  },
  NOT_CONFIRMED: {
    kind: "confirm",
    title: "A dangerous step was not confirmed",
    help: "Pass --confirm NAME --plan-digest HASH, or run in a terminal.",
  },
  DIFFERENCES_FOUND: { kind: "differences", title: "Source and target differ", help: "`pghaul verify diff` lists rows and columns." },
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
  SOURCE_PRIVILEGE: { kind: "source", title: "A privilege is missing at the source", help: "Run the GRANT shown by `pghaul check`." },
  SOURCE_WAL_LEVEL: {
    kind: "source",
    title: "The source does not write logical WAL",
    help: "alter system set wal_level = 'logical'; then restart the source.",
  },
  SOURCE_NO_IDENTITY: {
    kind: "source",
    title: "A table has no replica identity",
    help: "Publishing it would make the application's UPDATE fail. Add a primary key, or: alter table T replica identity full;",
  },
  SOURCE_LOST: {
    kind: "source",
    title: "The connection to the source was lost",
    help: "Nothing is lost. pghaul retries for a while; run the same command again when the source is back.",
  },
  SOURCE_DRIFT: {
    kind: "source",
    title: "A row that the way back changes is not at the source (or the reverse)",
    help: "The target is the primary, and somebody else wrote at the source. `pghaul verify diff` lists the rows.",
  },
  SOURCE_SCHEMA: {
    kind: "source",
    title: "The source's schema does not fit what the way back brings",
    help: "The message names the table and the column.",
  },
  SOURCE_QUERY: { kind: "source", title: "The source refused a statement", help: "The cause names it." },
  BARRIER_TIMEOUT: {
    kind: "try-later",
    title: "Old transactions at the source keep the load from starting",
    help: "End the transactions listed, or wait and run again.",
  },
  SLOT_LOST: {
    kind: "source",
    title: "The replication slot is gone or invalid",
    help: "Changes since the last acknowledged LSN cannot be read. Start over with an empty state directory and target, and look at max_slot_wal_keep_size.",
  },
  SLOT_FOREIGN: {
    kind: "source",
    title: "The replication slot belongs to somebody else",
    help: "Its position does not match this state directory. Name another migration, or drop the slot.",
  },
  SLOT_ACTIVE: { kind: "try-later", title: "The replication slot is in use", help: "Another process reads it: the PID is in the message." },
  SCHEMA_DRIFT: {
    kind: "source",
    title: "A table's columns changed during the migration",
    help: "Everything before it is applied. Add or drop the same columns at the other side, then run again. A changed type or key cannot be followed. A target of files holds such a table alone: `pghaul snapshot reload --table T` reads it again with its new columns.",
  },
  PUBLICATION_CHANGED: {
    kind: "source",
    title: "Somebody altered or dropped the migration's publication",
    help: "What was written meanwhile did not stream. Run the statement shown at the source, then `pghaul run`, then `pghaul verify run`: a table that differs must be fixed or moved anew.",
  },
  TABLE_RENAMED: {
    kind: "source",
    title: "A table was renamed or moved to another schema during the migration",
    help: "Its changes still stream, but the target has it under the old name. Give it back its name at the source, then `pghaul run`, then `pghaul verify run`.",
  },
  DECODE_FAILED: {
    kind: "bug",
    title: "The replication stream could not be decoded",
    help: "Please report it with `pghaul --version` and the source's version.",
  },
  // target
  TARGET_UNREACHABLE: { kind: "target", title: "The target cannot be reached", help: "Check host, port, firewall and credentials." },
  TARGET_AUTH: { kind: "target", title: "The target refused the credentials", help: "Check user and password and pg_hba.conf." },
  TARGET_PRIVILEGE: { kind: "target", title: "A privilege is missing at the target", help: "Run the GRANT shown by `pghaul check`." },
  TARGET_LOST: {
    kind: "target",
    title: "The connection to the target was lost",
    help: "Nothing is lost: the log goes on filling. Run the same command again when the target is back.",
  },
  TARGET_WAL_LEVEL: {
    kind: "target",
    title: "The target does not write logical WAL, which the way back needs",
    help: "alter system set wal_level = 'logical'; then restart the target.",
  },
  TARGET_QUERY: { kind: "target", title: "The target refused a statement", help: "The cause names it." },
  ROW_REFUSED: {
    kind: "target",
    title: "A side refuses a row that the other has",
    help: "The table is held: nothing more of it is applied, and the others go on. Remove what refuses the row at the target, then `pghaul snapshot reload --table T`.",
  },
  TABLE_HELD: {
    kind: "target",
    title: "A table is held",
    help: "The target refused a row of it, or, with a target of files, its columns changed; `pghaul status` shows which. Remove the cause at the target, if there is one, then `pghaul snapshot reload --table T`.",
  },
  TARGET_NOT_EMPTY: { kind: "target", title: "A table at the target already holds rows", help: "Empty it, or leave the table out." },
  TARGET_DRIFT: {
    kind: "target",
    title: "A row that should be at the target is not there (or the reverse)",
    help: "Somebody else wrote at the target. `pghaul verify diff` lists the rows.",
  },
  TARGET_SCHEMA: {
    kind: "target",
    title: "The schema could not be created at the target",
    help: "The cause names the statement of pg_dump that failed.",
  },
  TARGET_FOREIGN: {
    kind: "config",
    title: "The target directory belongs to somebody else",
    help: "It holds files of another migration or source, or files that pghaul did not write. Name another directory.",
  },
  TARGET_NEWER: { kind: "config", title: "The target directory was written by a newer pghaul", help: "Use that version or newer." },
  TARGET_DAMAGED: {
    kind: "target",
    title: "A file of the target directory is damaged or missing",
    help: "The message names it. Restore it from a copy; do not edit it. Where there is none, reload the table, or begin anew in another directory.",
  },
  TARGET_DISK_FULL: {
    kind: "try-later",
    title: "No space left in the target directory, or for temporary files",
    help: "Free space where the message says. The log keeps what was not written; run the same command again. Temporary files of `verify` lie in the state directory, those of `restore` where --scratch says.",
  },
  PARTITION_MISSING: {
    kind: "target",
    title: "A side has no partition for a row",
    help: "A partition was made at one side and not at the other. Run the statement shown at the side it names, then `pghaul run`: it goes on at that row.",
  },
  // log and state
  STREAM_NOT_RUNNING: {
    kind: "try-later",
    title: "No stream is running, or it is not far enough",
    help: "Start `pghaul run` (or `pghaul cdc start`), wait for the phase that the message names, then run the command again.",
  },
  STATE_LOCKED: { kind: "locked", title: "Another process works on this state directory", help: "The message names it. Wait, or stop it." },
  STATE_NEWER: { kind: "config", title: "The state was written by a newer pghaul", help: "Use that version or newer." },
  STATE_CORRUPT: { kind: "config", title: "The state directory is damaged", help: "Restore it from a copy; do not edit it." },
  STATE_DISK_FULL: {
    kind: "try-later",
    title: "No space left in the state directory",
    help: "Free space. The slot keeps what was not written; run the same command again.",
  },
  LOG_CORRUPT: {
    kind: "config",
    title: "A segment of the change log is damaged",
    help: "The segment and offset are named. Restore it from a copy; without it the change log has a hole and the load must start over.",
  },
  LOG_GAP: { kind: "config", title: "The change log no longer holds a needed position", help: "Reload the tables named." },
  // cutover
  CUTOVER_STATE: {
    kind: "gate",
    title: "The cutover is in a state that does not allow this",
    help: "`pghaul cutover status` shows what is possible now.",
  },
  CUTOVER_DEADLINE: {
    kind: "try-later",
    title: "A cutover step missed its deadline",
    help: "Everything was undone and the old primary takes writes. Look at the step's evidence and run again.",
  },
  CUTOVER_UNSETTLED: {
    kind: "try-later",
    title: "A switch stopped in the middle and could not be settled yet",
    help: "Where the message names no side that takes writes, both may refuse them until it is settled. `pghaul run` tries again every few seconds; `pghaul cutover status` tells what keeps it.",
  },
  FENCE_BREACH: {
    kind: "gate",
    title: "A write passed the fence",
    help: "The change log shows a foreign write after the marker. Look at it before anything else.",
  },
  ROUTE_FAILED: { kind: "gate", title: "The route could not be changed", help: "The hook's exit code and last line are in the message." },
  REALITY_DIFFERS: {
    kind: "gate",
    title: "The databases do not show what the journal says",
    help: "Both are in the message. Decide which is right before going on.",
  },
  // flow
  INTERRUPTED: { kind: "interrupted", title: "Interrupted, state saved", help: "Run the same command again to go on." },
  BUG: { kind: "bug", title: "A fault of pghaul", help: "Please report it; DEBUG=pghaul shows the stack." },
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
