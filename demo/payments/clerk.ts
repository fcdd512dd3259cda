import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Random } from "../../test/support/random.ts";
import type { Route, SideName } from "./route.ts";
import { MIX, TRANSACTIONS } from "./transactions.ts";

/**
 * Refusals that an application meets and survives by asking again: a fence (25006), a lock not had in time, a deadlock, a server that is
 * away. Anything else is a fault and ends the demo.
 */
const TRY_AGAIN = /^(25006|40001|40P01|55P03|57P0\d|08\w{3}|ECONN[A-Z]+|EPIPE)$/;

const RETRY_MILLIS = 5;
const MOST_OWN_PAYMENTS = 200;

/** What all clerks count together. */
export interface Tally {
  /** Keys of requests whose commit the database has acknowledged. */
  readonly acknowledged: Set<string>;
  /** Those of them that are payments. */
  readonly payments: Set<string>;
  refused: number;
  /** Longest time that one request took, in ms, retries included; whoever measures sets it back to 0. */
  longestMillis: number;
}

export interface ClerkOptions {
  readonly name: string;
  readonly random: Random;
  readonly pools: Readonly<Record<SideName, pg.Pool>>;
  readonly route: Route;
  readonly tally: Tally;
  /** Time from one request to the next. */
  readonly intervalMillis: number;
}

/** One client of the payments application: a request after the other, each tried until it is acknowledged. */
export class Clerk {
  readonly #options: ClerkOptions;
  readonly #ownPayments: string[] = [];

  constructor(options: ClerkOptions) {
    this.#options = options;
  }

  async work(stop: AbortSignal): Promise<void> {
    const { name, random, intervalMillis } = this.#options;
    await sleep(random.integer(0, intervalMillis));
    for (let number = 1; !stop.aborted; number += 1) {
      const began = performance.now();
      await this.#request(`${name}-${number}`, random.pick(MIX));
      const rest = intervalMillis - (performance.now() - began);
      if (rest > 0) await sleep(rest);
    }
  }

  async #request(key: string, kind: string): Promise<void> {
    const { tally, route } = this.#options;
    const began = performance.now();
    while (!(await this.#tryOnce(key, kind))) {
      tally.refused += 1;
      await sleep(RETRY_MILLIS);
      route.reread();
    }
    tally.longestMillis = Math.max(tally.longestMillis, performance.now() - began);
    tally.acknowledged.add(key);
    if (kind !== "pay") return;
    tally.payments.add(key);
    this.#ownPayments.push(key);
    if (this.#ownPayments.length > MOST_OWN_PAYMENTS) this.#ownPayments.shift();
  }

  async #tryOnce(key: string, kind: string): Promise<boolean> {
    const { pools, route, random } = this.#options;
    let client: pg.PoolClient | null = null;
    try {
      client = await pools[route.primary].connect();
      await client.query("begin");
      // A request whose answer got lost is sent again; its key tells that it was done.
      const { rowCount } = await client.query("insert into idempotency_keys (key, response) values ($1, '{}') on conflict do nothing", [
        key,
      ]);
      if (rowCount === 1) await TRANSACTIONS[kind]?.({ client, random, key, ownPayments: this.#ownPayments });
      await client.query("commit");
      client.release();
      return true;
    } catch (error) {
      const lost = client === null || !(await rolledBack(client));
      client?.release(lost);
      if (!TRY_AGAIN.test(codeOf(error))) throw error;
      return false;
    }
  }
}

async function rolledBack(client: pg.PoolClient): Promise<boolean> {
  return await client.query("rollback").then(
    () => true,
    () => false,
  );
}

/** SQLSTATE or the system's name; node-pg reports some lost connections with neither. */
function codeOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  return code ?? (/terminated|timeout|closed/i.test(message) ? "ECONNLOST" : message);
}
