import pg from "pg";
import { type ErrorContext, PghaulError } from "../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../model/side.ts";
import { quoteLiteral } from "./quote.ts";
import type { ServerRole } from "./session-attrs.ts";
import { asPghaulError } from "./wrap-error.ts";

/**
 * The settings under which a value has one text on every server, whatever its own configuration, the database's or the role's:
 * digests are equal only where the text is, and COPY text read on one side is written on the other.
 */
const CANONICAL_SETTINGS: Readonly<Record<string, string>> = {
  client_encoding: "UTF8",
  TimeZone: "UTC",
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  // 1 or more: the shortest text that reads back as the same float (manual: "Floating-Point Types").
  extra_float_digits: "1",
  bytea_output: "hex",
  // Off, NULL in an array's text is read as the string.
  array_nulls: "on",
  xmloption: "content",
  // What pg_get_* and format_type print, and how our own statements are read.
  quote_all_identifiers: "off",
  standard_conforming_strings: "on",
  transform_null_equals: "off",
  // A policy that hides rows must fail the read: a copy that is silently short is the worst outcome (manual: "Row Security Policies").
  row_security: "off",
  // Timeouts of the application's role would kill a chunk or an apply batch; ours are set per transaction.
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  // As pg_dumpall does: a default for applications, put there to keep them out before the switch, does not bind the migration.
  default_transaction_read_only: "off",
  default_transaction_isolation: "read committed",
  default_transaction_deferrable: "off",
};

/** The same for timeouts that not every version has: 14 and 17 brought these. */
const LATER_TIMEOUTS = ["idle_session_timeout", "transaction_timeout"];

/** One attempt: how `pg` is to connect, and what the session is to be. */
export interface SessionRequest {
  readonly side: SideName;
  /** Host, database and user, for the errors of the session's whole life. */
  readonly context: ErrorContext;
  readonly config: pg.ClientConfig & { readonly replication?: "database" };
  readonly requireChannelBinding: boolean;
  readonly settings: Readonly<Record<string, string>>;
  /** Ends the attempt, timeout included; rejects with its reason. */
  readonly signal: AbortSignal;
}

export interface OpenSession {
  readonly client: pg.Client;
  readonly role: ServerRole;
}

/** Connects once, to one address, and makes the session canonical. Rejects with whatever the driver, socket or server said. */
export async function openSession(request: SessionRequest): Promise<OpenSession> {
  const { config, signal } = request;
  signal.throwIfAborted();
  const client = new pg.Client(config);
  // The stream is looked up when it is needed: the TLS handshake puts another in its place.
  const giveUp = () => client.connection.stream.destroy(new Error("the connection attempt was abandoned"));
  signal.addEventListener("abort", giveUp);
  try {
    surviveLoss(client, request);
    const refusal = request.requireChannelBinding ? insistOnChannelBinding(client, request.side) : undefined;
    await client.connect();
    // Where no password is asked for, the session is ready in the same breath.
    if (refusal?.error !== undefined) throw refusal.error;
    return { client, role: await makeCanonical(client, request.settings) };
  } catch (error) {
    client.connection.stream.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** One round trip. `pg` returns a result for each of the statements, though its types tell of one. */
async function makeCanonical(client: pg.Client, settings: Readonly<Record<string, string>>): Promise<ServerRole> {
  const results = (await client.query(openSessionSql(settings))) as unknown as pg.QueryResult<{ in_recovery: string; read_only: string }>[];
  const role = results[1]?.rows[0];
  return { inRecovery: role?.in_recovery === "t", readOnly: role?.read_only === "on" };
}

/**
 * One simple query of four statements: asks for the session's role, then makes the session canonical with `settings` on top.
 * The role's row is the second result: `in_recovery`, `read_only` ('t' or 'f' and 'on' or 'off'), read before anything is changed.
 *
 * set_config after connecting rather than startup options: poolers refuse those. The explicit transaction keeps it on one server
 * behind a transaction pooler, and the explicit isolation level because a serializable default cannot be used on a hot standby.
 */
function openSessionSql(settings: Readonly<Record<string, string>>): string {
  const calls = Object.entries({ ...CANONICAL_SETTINGS, ...settings }).map(
    ([name, value]) => `pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`,
  );
  const later = LATER_TIMEOUTS.map(
    (name) => `case when pg_catalog.current_setting('${name}', true) <> '0' then pg_catalog.set_config('${name}', '0', false) end`,
  );
  return `begin isolation level read committed;
select pg_catalog.pg_is_in_recovery() as in_recovery, pg_catalog.current_setting('transaction_read_only') as read_only;
select ${[...calls, ...later].join(", ")};
commit`;
}

/**
 * An 'error' event without a listener ends a Node process. Ours remembers the loss, and every query that meets it rejects with
 * SOURCE_LOST or TARGET_LOST; a server's own errors pass through raw. Streams given to `query` report through their own events.
 */
function surviveLoss(client: pg.Client, { side, context }: SessionRequest): void {
  let loss: unknown;
  client.on("error", (error) => {
    loss ??= error;
  });
  const translate = (error: unknown): never => {
    const known = asPghaulError(loss ?? error, side, context);
    const lost = sideCode(side, "LOST");
    throw loss !== undefined || known.code === lost ? new PghaulError(lost, `${context.host}: ${known.message}`, { context }) : error;
  };
  const query = client.query as (...args: unknown[]) => unknown;
  client.query = ((...args: unknown[]) => {
    const result = Reflect.apply(query, client, args);
    return result instanceof Promise ? result.catch(translate) : result;
  }) as typeof client.query;
}

/**
 * channel_binding=require: the server must prove that it knows the password and that no one sits in between. `pg` would settle
 * for less in silence, so anything less ends the connection before an answer is sent.
 */
function insistOnChannelBinding(client: pg.Client, side: SideName): { error?: PghaulError } {
  const { connection } = client;
  const refusal: { error?: PghaulError } = {};
  const refuse = () => {
    refusal.error = new PghaulError(
      sideCode(side, "AUTH"),
      "channel_binding=require is set, but the server does not offer channel binding",
    );
    connection.stream.destroy(refusal.error);
  };
  let bound = false;
  connection.prependListener("authenticationSASL", (message: { readonly mechanisms: readonly string[] }) => {
    bound = message.mechanisms.includes("SCRAM-SHA-256-PLUS");
    if (!bound) refuse();
  });
  for (const weaker of ["authenticationCleartextPassword", "authenticationMD5Password"]) connection.prependListener(weaker, refuse);
  connection.prependListener("authenticationOk", () => {
    if (!bound) refuse();
  });
  return refusal;
}
