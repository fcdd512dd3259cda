/** What the application does in one transaction, by kind. None of them knows about migrations. */
import type pg from "pg";
import type { Random } from "../../test/support/random.ts";
import { SIZE } from "./schema.ts";

export interface Work {
  readonly client: pg.ClientBase;
  readonly random: Random;
  /** Unique to the request; sent again when the request is tried again. */
  readonly key: string;
  /** Keys of payments that this clerk has made and may settle or refund. */
  readonly ownPayments: readonly string[];
}

type Transaction = (work: Work) => Promise<unknown>;

const CAPTURE = `
with payment as (
  insert into payments (created_at, idempotency_key, payer_account, payee_account, amount, currency, status, metadata)
  values (now(), $1, $2, $3, $4, 'EUR', 'authorized', jsonb_build_object('agent', repeat(md5($1), 3))) returning id
), entries as (
  insert into ledger_entries (account_id, payment_id, amount, note)
  select side.account, payment.id, side.amount, 'pay ' || $1 from payment, (values ($2::bigint, -$4::numeric), ($3::bigint, $4::numeric)) side (account, amount)
)
insert into webhook_events (merchant_id, body)
select $3 - ${SIZE.customers}, jsonb_build_object('type', 'payment.authorized', 'payment', id) from payment`;

const REFUND = `
with payment as (
  update payments set status = 'refunded' where idempotency_key = $1 and status <> 'refunded' returning id, payer_account, payee_account, amount
), refund as (
  insert into refunds (payment_id, amount, reason) select id, amount, 'demo' from payment
), entries as (
  insert into ledger_entries (account_id, payment_id, amount)
  select side.account, id, side.amount from payment, lateral (values (payer_account, amount), (payee_account, -amount)) side (account, amount)
  returning account_id, amount
)
select account_id, amount::text from entries order by account_id`;

const PAYOUT = `
with payout as (insert into payouts (merchant_id, amount, paid_on) values ($1, $2, current_date) returning id)
insert into payout_items (payout_id, payment_id, amount) select id, n, $2 / 3 from payout, generate_series(1, 3) n`;

export const TRANSACTIONS: Readonly<Record<string, Transaction>> = {
  async pay({ client, random, key }) {
    const [payer, payee] = [random.integer(1, SIZE.customers), SIZE.customers + random.integer(1, SIZE.merchants)];
    const amount = random.integer(100, 90_000) / 100;
    await client.query(CAPTURE, [key, payer, payee, amount]);
    await book(client, payer, -amount);
    await book(client, payee, amount);
  },

  async settle({ client, random, ownPayments }) {
    if (ownPayments.length === 0) return;
    await client.query("update payments set status = 'captured' where idempotency_key = $1 and status = 'authorized'", [
      random.pick(ownPayments),
    ]);
  },

  async refund({ client, random, ownPayments }) {
    if (ownPayments.length === 0) return;
    const { rows } = await client.query<{ account_id: string; amount: string }>(REFUND, [random.pick(ownPayments)]);
    for (const { account_id, amount } of rows) await book(client, account_id, amount);
  },

  /** Changes a small column of a row whose JSON lies out of line: the log then says "unchanged" instead of the value. */
  async "argue a dispute"({ client, random }) {
    await client.query("update disputes set stage = $2, updated_at = now() where id = $1", [
      random.integer(1, SIZE.disputes),
      random.pick(["won", "lost", "escalated"]),
    ]);
  },

  async "add evidence"({ client, random }) {
    await client.query(
      `update disputes set evidence = jsonb_build_object('pages', (select jsonb_agg(repeat(md5($2 || n), 40)) from generate_series(1, 20) n)) where id = $1`,
      [random.integer(1, SIZE.disputes), random.hex(8)],
    );
  },

  async "change a customer"({ client, random, key }) {
    const customer = random.integer(1, SIZE.customers);
    await client.query("update customers set profile = profile || jsonb_build_object('seen', $2::text) where id = $1", [customer, key]);
    await client.query(
      "insert into payment_methods (customer_id, kind, details) values ($1, 'card', jsonb_build_object('last4', $2::text))",
      [customer, random.hex(2)],
    );
  },

  async "sign a customer up"({ client, key }) {
    await client.query("insert into customers (email, full_name) values ($1 || '@new.example', 'New ' || $1)", [key]);
  },

  async "pay out"({ client, random }) {
    await client.query(PAYOUT, [random.integer(1, SIZE.merchants), random.integer(100, 9_000)]);
  },

  async "deliver webhooks"({ client, random }) {
    const some = "(select merchant_id, id from webhook_events where merchant_id = $1 limit 3)";
    const change = random.pick([
      `delete from webhook_events where (merchant_id, id) in ${some}`,
      `update webhook_events set attempts = attempts + 1 where (merchant_id, id) in ${some}`,
    ]);
    await client.query(change, [random.integer(1, SIZE.merchants)]);
  },

  /** Equal rows come and go in a table without a key. */
  async audit({ client, random }) {
    await client.query("insert into audit_log values (date_trunc('minute', now()), 'clerk', 'look', $1)", [random.pick(["a", "b", null])]);
    if (random.chance(0.2))
      await client.query("delete from audit_log where ctid = (select ctid from audit_log where actor = 'clerk' limit 1)");
  },
};

/** Two transactions may book the same two accounts in opposite order and deadlock; one of them is then tried again. */
async function book(client: pg.ClientBase, account: number | string, amount: number | string): Promise<void> {
  await client.query("update accounts set balance = balance + $2, version = version + 1 where id = $1", [account, amount]);
}

/** Kinds as often as they come up: payments dominate. */
export const MIX: readonly string[] = [
  ...Array<string>(12).fill("pay"),
  ...Array<string>(4).fill("settle"),
  ...Array<string>(2).fill("refund"),
  ...Array<string>(2).fill("audit"),
  ...Object.keys(TRANSACTIONS).filter((kind) => !["pay", "settle", "refund", "audit"].includes(kind)),
];
