import type { Answer } from "../../conditions/condition.ts";
import { fail, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import type { Streamability } from "../../conditions/server-facts.ts";
import { type Check, type CheckContext, check, NO_WAY_BACK, type Side } from "./check.ts";

const OLDEST = 13;
const NEWEST = 18;
const SMALL_KEEP_MB = 10 * 1024;
const SMALL_DECODING_KB = 64 * 1024;

/** What holds for the servers themselves: how they are reached, and what logical decoding asks of their settings. */
export const SERVER_CHECKS: readonly Check[] = [
  check("source-tls", "source", "the connection to the source is encrypted, and the server's certificate is verified", ({ source }) =>
    tls(source),
  ),
  check("target-tls", "target", "the connection to the target is encrypted, and the server's certificate is verified", ({ target }) =>
    tls(target),
  ),
  check("source-version", "source", "pghaul supports the source's version", ({ source }) => supported(source)),
  check("target-version", "both", "pghaul supports the target's version, and it is not older than the source's", (context) =>
    targetVersion(context),
  ),
  check("source-primary", "source", "the source is a primary", ({ source }) => primary(source)),
  check("target-primary", "target", "the target is a primary", ({ target }) => primary(target)),
  check("source-wal-level", "source", "the source's WAL can be decoded", async ({ source, slots }) =>
    walLevel(await source.streamability(slots.source), fail, "the change stream cannot start"),
  ),
  check("target-wal-level", "target", "the target's WAL can be decoded, for the way back", async ({ target, slots }) =>
    walLevel(await target.streamability(slots.target), warn, NO_WAY_BACK),
  ),
  check("source-slots-free", "source", "the source has a replication slot left", async ({ source, slots }) =>
    free(await source.streamability(slots.source), "slots"),
  ),
  check("target-slots-free", "target", "the target has a replication slot left, for the way back", async ({ target, slots }) =>
    forWayBack(free(await target.streamability(slots.target), "slots")),
  ),
  check("source-senders-free", "source", "the source has a walsender left", async ({ source, slots }) =>
    free(await source.streamability(slots.source), "senders"),
  ),
  check("target-senders-free", "target", "the target has a walsender left, for the way back", async ({ target, slots }) =>
    forWayBack(free(await target.streamability(slots.target), "senders")),
  ),
  check(
    "source-origins-free",
    "source",
    "the source has room for our replication origin, for the way back",
    async ({ source, originPrefix }) => forWayBack(await originsFree(source, originPrefix, 1)),
  ),
  check("target-origins-free", "target", "the target has room for our replication origins", ({ target, originPrefix, workers }) =>
    originsFree(target, originPrefix, workers + 1),
  ),
  check("source-connection-limit", "source", "the role and the database allow enough sessions at the source", ({ source, workers }) =>
    connectionLimit(source, workers),
  ),
  check("target-connection-limit", "target", "the role and the database allow enough sessions at the target", ({ target, workers }) =>
    connectionLimit(target, workers),
  ),
  check("source-slot-keep-size", "source", "the source keeps enough WAL for a slot that nobody reads for a while", async ({ source }) =>
    keepSize(Number(await setting(source, "max_slot_wal_keep_size"))),
  ),
  check("source-slot-timeout", "source", "replication slots of the source do not expire", async ({ source }) =>
    slotTimeout(Number(await setting(source, "idle_replication_slot_timeout"))),
  ),
  check("source-decoding-memory", "source", "the source has enough memory to decode transactions of usual size", async ({ source }) =>
    decodingMemory(Number(await setting(source, "logical_decoding_work_mem"))),
  ),
  check("source-long-transactions", "source", "no long transaction that has written is open at the source", longTransactions),
  check("source-prepared-transactions", "source", "no prepared transaction is left at the source", preparedTransactions),
];

/** `sslmode` says what was asked for; pg_stat_ssl what came of it. Behind a socket, and within this machine, TLS guards nothing. */
async function tls({ encryption, way: { withinMachine, sslMode: mode } }: Side): Promise<Answer> {
  const inUse = (await encryption()) ?? "no TLS";
  if (withinMachine) return pass(`${inUse}; the server is on this machine`);
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

async function major({ server }: Side): Promise<number> {
  return Math.floor((await server()).version / 10_000);
}

async function supported(side: Side): Promise<Answer> {
  const number = await major(side);
  if (number >= OLDEST && number <= NEWEST) return pass(`PostgreSQL ${number}`);
  return fail(`PostgreSQL ${number}; pghaul supports ${OLDEST} to ${NEWEST}`);
}

async function targetVersion({ source, target }: CheckContext): Promise<Answer> {
  const own = await supported(target);
  const [here, there] = [await major(source), await major(target)];
  if (own.verdict !== "pass" || there >= here) return own;
  return warn(`PostgreSQL ${there}, older than the source (${here}): it will refuse newer features that the schema uses`);
}

async function primary({ server, name }: Side): Promise<Answer> {
  const { inRecovery, release } = await server();
  if (!inRecovery) return pass(`a primary, ${release}`);
  return fail(`the ${name} is a standby`, "connect to the primary, or add target_session_attrs=primary to the connection string");
}

async function setting({ settings }: Side, name: string): Promise<string | undefined> {
  return (await settings([name])).get(name);
}

function walLevel({ walLevel: level }: Streamability, otherwise: typeof fail, consequence: string): Answer {
  if (level === "logical") return pass("wal_level is logical");
  return otherwise(`wal_level is ${level}: ${consequence}`, "alter system set wal_level = 'logical';   -- then restart the server");
}

const LIMIT_OF = { slots: "max_replication_slots", senders: "max_wal_senders" } as const;

function free(found: Streamability, what: keyof typeof LIMIT_OF): Answer {
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
async function originsFree(side: Side, prefix: string, needed: number): Promise<Answer> {
  const name = (await side.server()).version >= 180_000 ? "max_active_replication_origins" : "max_replication_slots";
  const limit = Number(await setting(side, name));
  const { count: others, inUse: exact } = await side.otherOrigins(prefix);
  const evidence = `${needed} needed, ${others} ${exact ? "in use by others" : "made by others"}, of ${limit} (${name})`;
  if (needed + others <= limit) return pass(evidence);
  const fix = raise(name, needed + others + 4);
  // Without the privilege to see which are in use: those that exist are at least as many.
  return needed > limit || exact ? fail(evidence, fix) : warn(evidence, fix);
}

function forWayBack(answer: Answer): Answer {
  return answer.verdict === "fail" ? warn(`${answer.evidence}: ${NO_WAY_BACK}`, answer.advice) : answer;
}

function raise(name: string, value: number): string {
  return `alter system set ${name} = ${value};   -- then restart the server`;
}

function keepSize(megabytes: number): Answer {
  if (megabytes < 0)
    return pass("max_slot_wal_keep_size is unlimited: the slot is never lost, but while pghaul is down its WAL grows without limit");
  if (megabytes >= SMALL_KEEP_MB) return pass(`max_slot_wal_keep_size is ${megabytes} MB`);
  return warn(
    `max_slot_wal_keep_size is ${megabytes} MB: if that much WAL is written while pghaul is down, the slot is lost and the load starts over`,
    "alter system set max_slot_wal_keep_size = '50GB'; select pg_reload_conf();",
  );
}

/** 18 and later. NaN: the server does not know the setting. */
function slotTimeout(seconds: number): Answer {
  if (Number.isNaN(seconds) || seconds === 0) return pass("slots do not expire");
  return warn(
    `idle_replication_slot_timeout is ${seconds} s: a slot that is not read for that long is lost`,
    "alter system set idle_replication_slot_timeout = 0; select pg_reload_conf();",
  );
}

function decodingMemory(kilobytes: number): Answer {
  const evidence = `logical_decoding_work_mem is ${Math.round(kilobytes / 1024)} MB`;
  if (kilobytes >= SMALL_DECODING_KB) return pass(evidence);
  return warn(
    `${evidence}: decoding spills larger transactions to the source's disk`,
    "alter system set logical_decoding_work_mem = '256MB'; select pg_reload_conf();",
  );
}

/** Beside a session for each reader: tail, lag, schema, verification, cutover. */
const OTHER_SESSIONS = 8;

async function connectionLimit({ connectionLimits }: Side, workers: number): Promise<Answer> {
  const needed = workers + OTHER_SESSIONS;
  const tight = (await connectionLimits()).filter(({ limit, used }) => used + needed > limit);
  if (tight.length === 0) return pass(`${needed} sessions are needed, and neither role nor database allows fewer`);
  return fail(
    tight.map(({ what, limit, used }) => `${what} may have ${limit} sessions, others use ${used}, ${needed} are needed`).join("; "),
    statements(tight.map(({ quoted, used }) => `alter ${quoted} connection limit ${used + needed}`)),
  );
}

/** A transaction that only reads has no id, and slot and load wait only for transactions that have one. */
async function longTransactions({ source, longTransactionSeconds }: CheckContext): Promise<Answer> {
  const old = await source.transactions(longTransactionSeconds * 1_000);
  const open = old.filter(({ wrote, prepared }) => wrote && !prepared);
  if (open.length === 0) return pass(`no transaction that has written has been open for longer than ${longTransactionSeconds} s`);
  return warn(
    `slot and load would wait for ${named(open.map(({ who, seconds }) => `${who} for ${seconds} s`))}`,
    statements(
      open.map(({ end }) => end),
      "unless it ends by itself",
    ),
  );
}

async function preparedTransactions({ source }: CheckContext): Promise<Answer> {
  const open = (await source.transactions(0)).filter(({ prepared }) => prepared);
  if (open.length === 0) return pass("none");
  return warn(
    `slot and load would wait for ${named(open.map(({ who, seconds }) => `${who} for ${seconds} s`))}`,
    statements(
      open.map(({ end }) => end),
      "in that database; or commit prepared, if you know what it is",
    ),
  );
}
