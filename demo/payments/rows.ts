/** Fills the schema with a million rows in a few seconds: PostgreSQL makes them itself, the same ones every time. */
import type pg from "pg";
import { INDEXES, SIZE } from "./schema.ts";

/** An integer in [0, n) that looks random and is the same at every run: `i` through a multiplicative hash. */
const spread = (i: string, n: number): string => `(((${i})::bigint * 2654435761) % 4294967296 % ${n})`;

/** JSON that does not compress away: hex digits of hashes, about 32 bytes each. */
const noise = (i: string, hashes: number): string =>
  `(select string_agg(md5((${i} * 1000 + n)::text), '') from generate_series(1, ${hashes}) n)`;

const PARTIES = `
insert into currencies values ('EUR', 'Euro', 2), ('USD', 'US dollar', 2), ('GBP', 'Pound sterling', 2), ('JPY', 'Yen', 0), ('KWD', 'Kuwaiti dinar', 3);

insert into merchants (id, name, country, settings, created_at)
select i, 'Merchant ' || i, (array['DE', 'FR', 'PL', 'NL', 'IT'])[1 + i % 5],
       jsonb_build_object('webhook', 'https://m' || i || '.example/hook', 'fees', jsonb_build_array(0.0149, 0.25), 'logo', ${noise("i", 250)}),
       '2025-01-01Z'::timestamptz + i * interval '1 hour'
from generate_series(1, ${SIZE.merchants}) i;

insert into customers (id, email, full_name, profile, created_at)
select i, 'c' || i || '@example.com', (array['Ada', 'Zoë', 'Łukasz', '明', 'Iñaki'])[1 + i % 5] || ' No' || i,
       jsonb_build_object('lang', (array['de', 'en', 'pl'])[1 + i % 3], 'score', i % 100), '2025-01-01Z'::timestamptz + i * interval '9 minutes'
from generate_series(1, ${SIZE.customers}) i;

insert into payment_methods (id, customer_id, kind, iban, details)
select md5('method ' || i)::uuid, 1 + i % ${SIZE.customers}, case when i % 3 = 0 then 'sepa' else 'card' end,
       case when i % 3 = 0 then 'DE' || lpad((i % 100)::text, 2, '0') || lpad(i::text, 18, '0') end,
       jsonb_build_object('last4', lpad((i % 10000)::text, 4, '0'), 'expires', '20' || 27 + i % 5 || '-0' || 1 + i % 9)
from generate_series(1, ${SIZE.paymentMethods}) i;

insert into accounts (id, customer_id, currency) overriding system value
select i, i, (array['EUR', 'USD', 'GBP'])[1 + i % 3] from generate_series(1, ${SIZE.customers}) i;
insert into accounts (id, merchant_id, currency) overriding system value
select ${SIZE.customers} + i, i, 'EUR' from generate_series(1, ${SIZE.merchants}) i;
`;

const LEDGER = `
insert into ledger_entries (id, account_id, payment_id, amount, booked_at, note)
select i, case when i % 2 = 0 then 1 + ${spread("i / 2", SIZE.customers)} else ${SIZE.customers} + 1 + ${spread("i / 2", SIZE.merchants)} end,
       1 + (i / 2) % ${SIZE.payments}, case when i % 2 = 0 then -1 else 1 end * (1 + ${spread("i / 2", 9_000)} / 100.0),
       '2025-07-01Z'::timestamptz + i * interval '1 minute', case when i % 4 = 0 then 'capture ' || md5(i::text) end
from generate_series(1, ${SIZE.ledgerEntries}) i;
`;

const MOVEMENTS = `
insert into payments (id, created_at, idempotency_key, payer_account, payee_account, amount, currency, status, metadata)
select i, '2025-07-01Z'::timestamptz + i * interval '4 minutes', 'seed-' || i, 1 + ${spread("i", SIZE.customers)},
       ${SIZE.customers} + 1 + ${spread("i * 7", SIZE.merchants)}, 1 + ${spread("i * 3", 50_000)} / 100.0, 'EUR',
       (array['captured', 'captured', 'captured', 'authorized', 'failed'])[1 + i % 5]::payment_status,
       jsonb_build_object('order', md5(i::text), 'channel', (array['web', 'app', 'pos'])[1 + i % 3])
from generate_series(1, ${SIZE.payments}) i;

insert into refunds (id, payment_id, amount, reason, created_at)
select i, 1 + ${spread("i", SIZE.payments)}, 1 + i % 40, case when i % 7 > 0 then 'requested by customer' end, '2026-01-01Z'::timestamptz + i * interval '7 minutes'
from generate_series(1, ${SIZE.refunds}) i;

insert into disputes (payment_id, stage, evidence, updated_at)
select 1 + ${spread("i", SIZE.payments)}, 'opened', jsonb_build_object('pages', jsonb_build_array(${noise("i", 400)}, ${noise("i + 7", 400)})), '2026-02-01Z'
from generate_series(1, ${SIZE.disputes}) i;

insert into payouts (id, merchant_id, amount, paid_on)
select i, 1 + i % ${SIZE.merchants}, 100 + i, date '2025-08-01' + i % 300 from generate_series(1, ${SIZE.payouts}) i;
insert into payout_items (payout_id, payment_id, amount)
select 1 + i % ${SIZE.payouts}, i, 10 from generate_series(1, ${SIZE.payoutItems}) i;
`;

const TRACES = `
insert into webhook_events (merchant_id, id, body, attempts, created_at)
select 1 + i % ${SIZE.merchants}, md5('event ' || i)::uuid, jsonb_build_object('type', 'payment.captured', 'payment', i, 'signature', ${noise("i", 4)}),
       i % 3, '2026-01-01Z'::timestamptz + i * interval '3 minutes'
from generate_series(1, ${SIZE.webhookEvents}) i;

insert into audit_log select '2026-01-01Z'::timestamptz + i / 2 * interval '1 second', 'batch', 'settle', case when i % 5 > 0 then 'run ' || i / 2 end
from generate_series(1, ${SIZE.auditLog}) i;

insert into idempotency_keys (key, response, created_at)
select 'seed-' || i, jsonb_build_object('status', 201, 'payment', i), '2026-03-01Z'::timestamptz + i * interval '1 second'
from generate_series(1, ${SIZE.idempotencyKeys}) i;
`;

const BALANCES = `
update accounts a set balance = s.total from (select account_id, sum(amount) as total from ledger_entries group by 1) s where s.account_id = a.id;
`;

/** Explicit ids do not move the sequences behind them. */
const SEQUENCES = `
select setval(pg_get_serial_sequence(t, 'id'), m) from (values
  ('merchants', ${SIZE.merchants}), ('customers', ${SIZE.customers}), ('accounts', ${SIZE.customers + SIZE.merchants}),
  ('payments', ${SIZE.payments}), ('ledger_entries', ${SIZE.ledgerEntries}), ('refunds', ${SIZE.refunds}), ('payouts', ${SIZE.payouts})) v (t, m);
`;

/** Foreign keys hold by construction; checking each of a million rows would take most of the time. */
const UNCHECKED = "set session_replication_role = replica;";

interface Part {
  readonly title: string;
  readonly sql: string;
}

/**
 * Fills an empty database that has `SCHEMA`: the ledger on one connection, everything else on another, as there are two cores. `tell` hears of
 * each part that is done.
 */
export async function fillPayments(connect: () => Promise<pg.Client>, tell: (title: string) => void = () => {}): Promise<void> {
  const everythingElse = [
    { title: `${SIZE.merchants + SIZE.customers} merchants and customers`, sql: PARTIES },
    { title: `${SIZE.payments} payments, with their refunds, disputes and payouts`, sql: MOVEMENTS },
    { title: "webhooks, audit log, idempotency keys", sql: TRACES },
  ];
  await Promise.all([
    fill(connect, [{ title: `${SIZE.ledgerEntries} entries of the ledger`, sql: LEDGER }], tell),
    fill(connect, everythingElse, tell),
  ]);
  await fill(connect, [{ title: "balances, indexes, sequences", sql: BALANCES + INDEXES + SEQUENCES }], tell);
  await fill(connect, [{ title: "statistics", sql: "vacuum analyze" }], tell);
}

async function fill(connect: () => Promise<pg.Client>, parts: readonly Part[], tell: (title: string) => void): Promise<void> {
  const client = await connect();
  try {
    await client.query(UNCHECKED);
    for (const { title, sql } of parts) {
      await client.query(sql);
      tell(title);
    }
  } finally {
    await client.end();
  }
}
