import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type pg from "pg";
import { PaymentsApplication } from "../../demo/payments/application.ts";
import { fillPayments } from "../../demo/payments/rows.ts";
import { SCHEMA } from "../../demo/payments/schema.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";

let server: PgServer;
let folder: string;
let source: pg.Client;

/** A million rows once, for all tests of this file. */
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "pghaul-demo-test-"));
  server = await startServer({ version: 14, settings: { shared_buffers: "128MB", max_wal_size: "2GB" } });
  source = await server.connect();
  await source.query(SCHEMA);
  await fillPayments(() => server.connect());
});

after(async () => {
  await source.end();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function route(primary: string): void {
  writeFileSync(join(folder, "new.json"), JSON.stringify({ primary }));
  renameSync(join(folder, "new.json"), join(folder, "route.json"));
}

function open(target = "postgres"): PaymentsApplication {
  return new PaymentsApplication({
    urls: { source: server.url(), target: server.url(target) },
    routeFile: join(folder, "route.json"),
    clerks: 6,
    transactionsPerSecond: 400,
  });
}

async function until(condition: () => boolean, limitMillis = 20_000): Promise<void> {
  const deadline = performance.now() + limitMillis;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a million rows, three fifths of them in one table, and books that balance", async () => {
  const { rows } = await source.query(`
    select count(*)::int as tables, sum(reltuples)::int as rows, max(reltuples)::int as largest
    from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`);
  const { rows: roots } = await source.query(
    "select count(*)::int as tables from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition",
  );
  assert.ok(rows[0].rows >= 1_000_000, `${rows[0].rows} rows`);
  assert.ok(Math.abs(rows[0].largest / rows[0].rows - 0.6) < 0.02);
  assert.equal(roots[0].tables, 14);
});

test("what was acknowledged is there once; whatever is lost, doubled or misbooked afterwards is seen", async () => {
  route("source");
  const application = open();
  await Promise.race([until(() => application.tally.acknowledged.size > 300), application.failed]);
  await application.stop();
  const { acknowledged, ...clean } = await application.audit("source");
  assert.deepEqual(clean, { lost: 0, doubled: 0, unbalanced: 0 });
  assert.equal(acknowledged, application.tally.acknowledged.size);

  const [key] = [...application.tally.payments];
  await source.query("delete from idempotency_keys where key = $1", [key]);
  await source.query(
    `insert into payments (created_at, idempotency_key, payer_account, payee_account, amount, currency, status)
     select created_at, idempotency_key, payer_account, payee_account, amount, currency, status from payments where idempotency_key = $1`,
    [key],
  );
  await source.query("update accounts set balance = balance + 0.01 where id = 7");
  assert.deepEqual(await application.audit("source"), { acknowledged, lost: 1, doubled: 1, unbalanced: 1 });
  await source.query("update accounts set balance = balance - 0.01 where id = 7");
  await application.close();
});

test("refused by a fence, it asks again until the route leads elsewhere, and loses nothing", async () => {
  await source.query("create database elsewhere template postgres").catch(async () => {
    // A template must have no session but ours; the pools of the test before may be closing still.
    await source.query("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = 'postgres'");
    await source.query("create database elsewhere template postgres");
  });
  route("source");
  const application = open("elsewhere");
  await Promise.race([until(() => application.tally.acknowledged.size > 50), application.failed]);
  await source.query(`
    create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'moved away' using errcode = 'read_only_sql_transaction'; end $$;
    create trigger fence before insert on idempotency_keys for each statement execute function refuse()`);
  await until(() => application.tally.refused > 6);
  assert.equal(application.primary, "source");
  const before = new Set(application.tally.acknowledged);
  route("target");
  await Promise.race([until(() => application.tally.acknowledged.size > before.size + 100), application.failed]);
  await application.stop();
  assert.equal(application.primary, "target");
  const { lost } = await application.audit("target");
  const { rows } = await source.query("select count(*)::int as count from idempotency_keys where key = any ($1)", [[...before]]);
  // Nothing was replicated here: exactly what was acknowledged before the fence is missing at the other side.
  assert.ok(rows[0].count === before.size && lost >= before.size, `${lost} lost, ${before.size} before`);
  await application.close();
});
