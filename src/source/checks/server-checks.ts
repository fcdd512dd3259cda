import type { Streamability } from "../../cutover/side-facts.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import { sslModeOf } from "../../postgres/ssl-options.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { readStreamability } from "../../side/postgres/facts/slot.ts";
import { selectConnectionLimits, selectOrigins, selectOwnTls, selectServer, selectSettings } from "../queries/check-server-queries.ts";
import { selectLongTransactions, selectPreparedTransactions } from "../queries/health-queries.ts";
import { type Check, type CheckContext, fail, NO_WAY_BACK, named, pass, type Side, statements, type Verdict, warn } from "./check.ts";
import { isThisMachine } from "./this-machine.ts";

const OLDEST = 13;
const NEWEST = 18;
const SMALL_KEEP_MB = 10 * 1024;
const SMALL_DECODING_KB = 64 * 1024;

/** What holds for the servers themselves: how they are reached, and what logical decoding asks of their settings. */
export const SERVER_CHECKS: readonly Check[] = [
  { id: "source-tls", run: ({ source }) => tls(source) },
  { id: "target-tls", run: ({ target }) => tls(target) },
  { id: "source-version", run: async ({ source }) => supported(source) },
  { id: "target-version", run: async (context) => targetVersion(context) },
  { id: "source-primary", run: ({ source }) => primary(source) },
  { id: "target-primary", run: ({ target }) => primary(target) },
  {
    id: "source-wal-level",
    run: async ({ source, slots }) => walLevel(await streamability(source, slots), fail, "the change stream cannot start"),
  },
  { id: "target-wal-level", run: async ({ target, slots }) => walLevel(await streamability(target, slots), warn, NO_WAY_BACK) },
  { id: "source-slots-free", run: async ({ source, slots }) => free(await streamability(source, slots), "slots") },
  { id: "target-slots-free", run: async ({ target, slots }) => forWayBack(free(await streamability(target, slots), "slots")) },
  { id: "source-senders-free", run: async ({ source, slots }) => free(await streamability(source, slots), "senders") },
  { id: "target-senders-free", run: async ({ target, slots }) => forWayBack(free(await streamability(target, slots), "senders")) },
  { id: "source-origins-free", run: async ({ source, originPrefix }) => forWayBack(await originsFree(source, originPrefix, 1)) },
  { id: "target-origins-free", run: ({ target, originPrefix, workers }) => originsFree(target, originPrefix, workers + 1) },
  { id: "source-connection-limit", run: ({ source, workers }) => connectionLimit(source, workers) },
  { id: "target-connection-limit", run: ({ target, workers }) => connectionLimit(target, workers) },
  { id: "source-slot-keep-size", run: async ({ source }) => keepSize(Number(await setting(source, "max_slot_wal_keep_size"))) },
  { id: "source-slot-timeout", run: async ({ source }) => slotTimeout(Number(await setting(source, "idle_replication_slot_timeout"))) },
  { id: "source-decoding-memory", run: async ({ source }) => decodingMemory(Number(await setting(source, "logical_decoding_work_mem"))) },
  { id: "source-long-transactions", run: longTransactions },
  { id: "source-prepared-transactions", run: preparedTransactions },
];

/** `sslmode` says what was asked for; pg_stat_ssl what came of it. Behind a socket, and within this machine, TLS guards nothing. */
async function tls({ client, spec }: Side): Promise<Verdict> {
  const remote = spec.hosts.filter((host) => !isThisMachine(host));
  const mode = remote.map((host) => sslModeOf(spec, host)).find((one) => one !== "verify-full") ?? "verify-full";
  const inUse = (await selectOwnTls(client)) ?? "no TLS";
  if (remote.length === 0) return pass(`${inUse}; the server is on this machine`);
  if (mode === "verify-full") return pass(`${inUse}; certificate and name are verified`);
  const meaning = {
    disable: "everything travels in plain text, rows included",
    allow: "plain text wherever the server permits it",
    prefer: "plain text if the server offers no TLS, and any certificate is accepted",
    require: "encrypted, but any certificate is accepted: somebody in between can read everything",
    "verify-ca": "the certificate is verified, its name is not: any server with a certificate of that authority is accepted",
  }[mode];
  return warn(`${inUse}; sslmode=${mode}: ${meaning}`, "sslmode=verify-full, with sslrootcert=FILE or sslrootcert=system");
}

function major({ version }: Side): number {
  return Math.floor(version / 10_000);
}

function supported(side: Side): Verdict {
  const number = major(side);
  if (number >= OLDEST && number <= NEWEST) return pass(`PostgreSQL ${number}`);
  return fail(`PostgreSQL ${number}; pghaul supports ${OLDEST} to ${NEWEST}`);
}

function targetVersion({ source, target }: CheckContext): Verdict {
  const own = supported(target);
  if (own.status !== "pass" || major(target) >= major(source)) return own;
  return warn(`PostgreSQL ${major(target)}, older than the source (${major(source)}): it will refuse newer features that the schema uses`);
}

async function primary({ client, name }: Side): Promise<Verdict> {
  const { in_recovery, version } = await selectServer(client);
  if (in_recovery === "false") return pass(`a primary, ${version}`);
  return fail(`the ${name} is a standby`, "connect to the primary, or add target_session_attrs=primary to the connection string");
}

async function setting({ client }: Side, name: string): Promise<string | undefined> {
  return (await selectSettings(client, [name])).get(name);
}

/** Asked of the stream that reads this side. */
function streamability({ client, name }: Side, slots: CheckContext["slots"]): Promise<Streamability> {
  return readStreamability(askOf(client), slots[name]);
}

function walLevel({ walLevel: level }: Streamability, otherwise: typeof fail, consequence: string): Verdict {
  if (level === "logical") return pass("wal_level is logical");
  return otherwise(`wal_level is ${level}: ${consequence}`, "alter system set wal_level = 'logical';   -- then restart the server");
}

const LIMIT_OF = { slots: "max_replication_slots", senders: "max_wal_senders" } as const;

function free(found: Streamability, what: keyof typeof LIMIT_OF): Verdict {
  const name = LIMIT_OF[what];
  const { used, limit } = found[what];
  const evidence = `${used} of ${limit} in use (${name})`;
  if (what === "slots" && found.slotExists) return pass(`${evidence}, ours among them`);
  if (used < limit) return pass(evidence);
  return fail(evidence, raise(name, limit + 4));
}

/**
 * Each session that writes with an origin occupies one of the server's origin states until the origin is dropped (manual: "Replication
 * Progress Tracking"); 18 has a limit of its own for them.
 */
async function originsFree(side: Side, prefix: string, needed: number): Promise<Verdict> {
  const name = side.version >= 180_000 ? "max_active_replication_origins" : "max_replication_slots";
  const limit = Number(await setting(side, name));
  const { others, exact } = await selectOrigins(side.client, prefix);
  const evidence = `${needed} needed, ${others} ${exact ? "in use by others" : "made by others"}, of ${limit} (${name})`;
  if (needed + others <= limit) return pass(evidence);
  const fix = raise(name, needed + others + 4);
  // Without the privilege to see which are in use: those that exist are at least as many.
  return needed > limit || exact ? fail(evidence, fix) : warn(evidence, fix);
}

function forWayBack(verdict: Verdict): Verdict {
  return verdict.status === "fail" ? warn(`${verdict.evidence}: ${NO_WAY_BACK}`, verdict.fix) : verdict;
}

function raise(name: string, value: number): string {
  return `alter system set ${name} = ${value};   -- then restart the server`;
}

function keepSize(megabytes: number): Verdict {
  if (megabytes < 0)
    return pass("max_slot_wal_keep_size is unlimited: the slot is never lost, but while pghaul is down its WAL grows without limit");
  if (megabytes >= SMALL_KEEP_MB) return pass(`max_slot_wal_keep_size is ${megabytes} MB`);
  return warn(
    `max_slot_wal_keep_size is ${megabytes} MB: if that much WAL is written while pghaul is down, the slot is lost and the load starts over`,
    "alter system set max_slot_wal_keep_size = '50GB'; select pg_reload_conf();",
  );
}

/** 18 and later. NaN: the server does not know the setting. */
function slotTimeout(seconds: number): Verdict {
  if (Number.isNaN(seconds) || seconds === 0) return pass("slots do not expire");
  return warn(
    `idle_replication_slot_timeout is ${seconds} s: a slot that is not read for that long is lost`,
    "alter system set idle_replication_slot_timeout = 0; select pg_reload_conf();",
  );
}

function decodingMemory(kilobytes: number): Verdict {
  const evidence = `logical_decoding_work_mem is ${Math.round(kilobytes / 1024)} MB`;
  if (kilobytes >= SMALL_DECODING_KB) return pass(evidence);
  return warn(
    `${evidence}: decoding spills larger transactions to the source's disk`,
    "alter system set logical_decoding_work_mem = '256MB'; select pg_reload_conf();",
  );
}

/** Beside a session for each reader: tail, lag, schema, verification, cutover. */
const OTHER_SESSIONS = 8;

async function connectionLimit({ client }: Side, workers: number): Promise<Verdict> {
  const found = await selectConnectionLimits(client);
  const needed = workers + OTHER_SESSIONS;
  const tight = [
    { what: `role ${found.role}`, alter: `role ${quoteIdent(found.role)}`, limit: Number(found.role_limit), used: Number(found.role_used) },
    {
      what: `database ${found.database}`,
      alter: `database ${quoteIdent(found.database)}`,
      limit: Number(found.database_limit),
      used: Number(found.database_used),
    },
  ].filter(({ limit, used }) => limit >= 0 && used + needed > limit);
  if (tight.length === 0) return pass(`${needed} sessions are needed, and neither role nor database allows fewer`);
  return fail(
    tight.map(({ what, limit, used }) => `${what} may have ${limit} sessions, others use ${used}, ${needed} are needed`).join("; "),
    statements(tight.map(({ alter, used }) => `alter ${alter} connection limit ${used + needed}`)),
  );
}

async function longTransactions({ source, longTransactionSeconds }: CheckContext): Promise<Verdict> {
  const open = await selectLongTransactions(source.client, longTransactionSeconds);
  if (open.length === 0) return pass(`no transaction has been open for longer than ${longTransactionSeconds} s`);
  return warn(
    `slot and load would wait for ${named(open.map(({ who, seconds }) => `${who} for ${seconds} s`))}`,
    statements(
      open.map(({ end }) => end),
      "unless it ends by itself",
    ),
  );
}

async function preparedTransactions({ source }: CheckContext): Promise<Verdict> {
  const open = await selectPreparedTransactions(source.client);
  if (open.length === 0) return pass("none");
  return warn(
    `slot and load would wait for ${named(open.map(({ who, seconds }) => `${who} for ${seconds} s`))}`,
    statements(
      open.map(({ end }) => end),
      "in that database; or commit prepared, if you know what it is",
    ),
  );
}
