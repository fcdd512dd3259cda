/**
 * The session by which a switch asks a side what it need not drive it for: gates, slots, the way back, the proof. Each question ends twice:
 * by the server's own deadlines, and by ours where the server has frozen and keeps none. A side that did not answer once is not asked again in
 * this session, so that a row of questions takes one deadline and not many.
 */
import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";
import type { SessionOptions } from "../side/postgres/server.ts";
import type { Sides } from "./open-migration.ts";

/** Catalogs of many thousand objects are compared within seconds. */
const ANSWER_MILLIS = 30_000;
const CONNECT_MILLIS = 30_000;
const LOCK_MILLIS = 10_000;
/** A server that ends a statement by its own deadline says so within it. */
const GRACE_MILLIS = 1_000;

/** Throws CUTOVER_DEADLINE when the side does not let us in in time, and what connecting throws; so does each query of the session. */
export function openWatchSession(sides: Pick<Sides, "connect">, side: SideName, answerMillis: number = ANSWER_MILLIS): Promise<pg.Client> {
  return openLimited(sides, { side, purpose: "cutover watch", answerMillis });
}

export interface LimitedSession extends SessionOptions {
  readonly side: SideName;
  readonly purpose: string;
  /** For each question, and for connecting. */
  readonly answerMillis: number;
}

/** The same for any purpose; settings that are given go before the deadlines here. */
export async function openLimited(
  { connect }: Pick<Sides, "connect">,
  { side, purpose, answerMillis, settings, signal }: LimitedSession,
): Promise<pg.Client> {
  const limit = AbortSignal.timeout(Math.min(answerMillis, CONNECT_MILLIS));
  const deadlines = { statement_timeout: `${answerMillis}ms`, lock_timeout: `${Math.min(LOCK_MILLIS, answerMillis)}ms` };
  const client = await connect(side, purpose, {
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    settings: { ...deadlines, ...settings },
  }).catch((error: unknown) => {
    throw limit.aborted ? silent(side, Math.min(answerMillis, CONNECT_MILLIS)) : error;
  });
  return limited(client, side, answerMillis + GRACE_MILLIS);
}

/** `client`, whose queries end at the limit; the session ends with the first that does. */
function limited(client: pg.Client, side: SideName, limitMillis: number): pg.Client {
  const query = client.query as (...args: unknown[]) => unknown;
  let lost: PghaulError | null = null;
  client.query = ((...args: unknown[]) => {
    if (lost !== null) return Promise.reject(lost);
    const answer = Reflect.apply(query, client, args);
    if (!(answer instanceof Promise)) return answer;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      lost ??= silent(side, limitMillis);
      late.reject(lost);
      client.connection.stream.destroy();
    }, limitMillis);
    answer.catch(() => undefined);
    return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
  }) as typeof client.query;
  return client;
}

function silent(side: SideName, limitMillis: number): PghaulError {
  return new PghaulError("CUTOVER_DEADLINE", `the ${side} did not answer within ${Math.round(limitMillis)} ms`, {
    context: { side, limitMillis },
    suggestion: "pghaul cutover status   # look at the server, then run it again",
  });
}
