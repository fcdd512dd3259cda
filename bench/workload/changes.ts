/** Streams of changes. Each is made once at the source; every reader then gets the same WAL from a copy of the same slot. */
import type { Sizes } from "../harness/options.ts";

export interface ChangeStream {
  readonly name: string;
  readonly title: string;
  /** Tables before the changes. */
  readonly create: (sizes: Sizes) => readonly string[];
  readonly change: (sizes: Sizes) => string;
  /** Rows changed, the marker left out. */
  readonly changes: (sizes: Sizes) => number;
}

const MARKER = "create table public.marker (id integer primary key, step integer not null)";

/** Rows of 200 bytes, one in each transaction: what a busy application writes. No key comes twice. */
const UPDATES: ChangeStream = {
  name: "updates",
  title: "single-row updates",
  create: ({ updates }) => [
    MARKER,
    "insert into public.marker values (1, 0)",
    "create table public.accounts (id bigint primary key, balance numeric(14,2) not null, changed timestamptz not null, note text not null)",
    `insert into public.accounts select i, 0, timestamptz '2026-01-01 00:00:00+00', repeat(md5(i::text), 5) from generate_series(1, ${updates}) i`,
  ],
  change: ({ updates }) => `
    do $$ begin
      for i in 1..${updates} loop
        update public.accounts set balance = balance + i, changed = clock_timestamp() where id = (i * 7919::bigint) % ${updates} + 1;
        commit;
      end loop;
    end $$`,
  changes: ({ updates }) => updates,
};

const ROWS_A_TRANSACTION = 10_000;

/** Rows of 230 bytes, 10,000 in each transaction: what a nightly job writes. */
const INSERTS: ChangeStream = {
  name: "inserts",
  title: "bulk inserts",
  create: () => [
    MARKER,
    "insert into public.marker values (1, 0)",
    "create table public.events (id bigint primary key, account bigint not null, amount numeric(14,2) not null, at timestamptz not null, note text not null)",
  ],
  change: ({ inserts }) => `
    do $$ begin
      for i in 0..${inserts / ROWS_A_TRANSACTION - 1} loop
        insert into public.events select n, n % 50021, n / 100.0, clock_timestamp(), repeat(md5(n::text), 5)
        from generate_series(i * ${ROWS_A_TRANSACTION} + 1, (i + 1) * ${ROWS_A_TRANSACTION}) n;
        commit;
      end loop;
    end $$`,
  changes: ({ inserts }) => inserts,
};

const HOT_KEYS = 100;

/** The same few rows again and again, one in each transaction: counters, stock, balances. */
const HOT: ChangeStream = {
  name: "hot",
  title: `updates of ${HOT_KEYS} keys`,
  create: UPDATES.create,
  change: ({ updates }) => `
    do $$ begin
      for i in 1..${updates} loop
        update public.accounts set balance = balance + i, changed = clock_timestamp() where id = (i * 7919::bigint) % ${HOT_KEYS} + 1;
        commit;
      end loop;
    end $$`,
  changes: ({ updates }) => updates,
};

/** Rows of 230 bytes, one in each transaction. */
const SINGLE_INSERTS: ChangeStream = {
  name: "single_inserts",
  title: "one-row inserts",
  create: INSERTS.create,
  change: ({ updates }) => `
    do $$ begin
      for n in 1..${updates} loop
        insert into public.events values (n, n % 50021, n / 100.0, clock_timestamp(), repeat(md5(n::text), 5));
        commit;
      end loop;
    end $$`,
  changes: ({ updates }) => updates,
};

export const CHANGE_STREAMS: readonly ChangeStream[] = [UPDATES, HOT, SINGLE_INSERTS, INSERTS];
