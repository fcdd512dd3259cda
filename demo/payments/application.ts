import { randomBytes } from "node:crypto";
import pg from "pg";
import { seededRandom } from "../../test/support/random.ts";
import { Clerk, type Tally } from "./clerk.ts";
import { Route, type SideName } from "./route.ts";

export interface ApplicationOptions {
  readonly urls: Readonly<Record<SideName, string>>;
  readonly routeFile: string;
  readonly clerks: number;
  readonly transactionsPerSecond: number;
}

export interface BooksAudit {
  readonly acknowledged: number;
  /** Acknowledged requests that the primary does not know. */
  readonly lost: number;
  /** Payments that are there more than once, and requests that are there though nobody acknowledged them. */
  readonly doubled: number;
  /** Accounts whose balance is not the sum of their ledger entries. */
  readonly unbalanced: number;
}

/** The payments company at work. It follows the route, tries again when refused, and keeps its own book of what was acknowledged. */
export class PaymentsApplication {
  readonly tally: Tally = { acknowledged: new Set(), payments: new Set(), refused: 0, longestMillis: 0 };
  readonly #run = `run-${randomBytes(3).toString("hex")}`;
  readonly #pools: Readonly<Record<SideName, pg.Pool>>;
  readonly #stop = new AbortController();
  readonly #route: Route;
  readonly #finished: Promise<unknown>;
  readonly #startedAt = performance.now();
  readonly #clerks: number;
  #stoppedAt: number | null = null;

  constructor({ urls, routeFile, clerks, transactionsPerSecond }: ApplicationOptions) {
    this.#clerks = clerks;
    this.#pools = { source: newPool(urls.source, clerks), target: newPool(urls.target, clerks) };
    this.#route = new Route(routeFile);
    this.#route.reread();
    const random = seededRandom("payments demo");
    const intervalMillis = Math.round((1000 * clerks) / transactionsPerSecond);
    const staff = Array.from({ length: clerks }, (_, index) => {
      const name = `${this.#run}-${index + 1}`;
      return new Clerk({ name, random: random.fork(index), pools: this.#pools, route: this.#route, tally: this.tally, intervalMillis });
    });
    this.#finished = Promise.all(staff.map((clerk) => clerk.work(this.#stop.signal)));
    // A fault is reported by `stop`, or by whoever waits for `failed`; until then it must not count as unhandled.
    this.#finished.catch(() => undefined);
  }

  /** Rejects when a clerk meets a fault that no retry mends. */
  get failed(): Promise<never> {
    return this.#finished.then(() => new Promise<never>(() => undefined));
  }

  get primary(): SideName {
    return this.#route.primary;
  }

  get transactionsPerSecond(): number {
    return (1000 * this.tally.acknowledged.size) / ((this.#stoppedAt ?? performance.now()) - this.#startedAt);
  }

  /** Lets every clerk finish its request. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#finished.finally(() => {
      this.#stoppedAt ??= performance.now();
    });
  }

  /** Whether the last request of every clerk has arrived at a side. Commits arrive in order, so then everything before them has, too. */
  async hasLastRequests(side: SideName): Promise<boolean> {
    const last = [...this.tally.acknowledged].slice(-this.#clerks);
    const { rows } = await this.#pools[side].query<{ found: number }>(
      "select count(*)::int as found from idempotency_keys where key = any ($1)",
      [last],
    );
    return rows[0]?.found === last.length;
  }

  /** Compares the application's own book with a database. Call it after `stop`. */
  async audit(side: SideName): Promise<BooksAudit> {
    const client = await this.#pools[side].connect();
    try {
      const keys = await keysOf(client, "select key from idempotency_keys where starts_with(key, $1)", this.#run);
      const payments = await keysOf(
        client,
        "select idempotency_key as key from payments where starts_with(idempotency_key, $1)",
        this.#run,
      );
      const { rows } = await client.query<{ unbalanced: number }>(UNBALANCED);
      const lost = missingFrom(keys, this.tally.acknowledged) + missingFrom(payments, this.tally.payments);
      const doubled = extraIn(keys, this.tally.acknowledged) + extraIn(payments, this.tally.payments);
      return { acknowledged: this.tally.acknowledged.size, lost, doubled, unbalanced: rows[0]?.unbalanced ?? 0 };
    } finally {
      client.release();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#pools.source.end(), this.#pools.target.end()]);
  }
}

const UNBALANCED = `
select count(*)::int as unbalanced
from accounts a left join (select account_id, sum(amount) as total from ledger_entries group by 1) e on e.account_id = a.id
where a.balance <> coalesce(e.total, 0)`;

function newPool(url: string, clerks: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: clerks,
    application_name: "payments application",
    connectionTimeoutMillis: 5_000,
  });
  // An idle connection that breaks is replaced at the next request.
  pool.on("error", () => undefined);
  return pool;
}

async function keysOf(client: pg.ClientBase, sql: string, run: string): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>(sql, [`${run}-`]);
  return rows.map(({ key }) => key);
}

function missingFrom(found: readonly string[], expected: ReadonlySet<string>): number {
  return expected.difference(new Set(found)).size;
}

function extraIn(found: readonly string[], expected: ReadonlySet<string>): number {
  const strangers = found.filter((key) => !expected.has(key)).length;
  return found.length - new Set(found).size + strangers;
}
