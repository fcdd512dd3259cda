/** Changes by the million for one stream: what a shop writes row by row, and what its nightly jobs write. */
const ACCOUNTS = 200_000;
const ROWS_A_TRANSACTION = 10_000;
/** Of the changes, those that come one a transaction. */
const ONE_BY_ONE = 0.2;

const MARKER = "create table public.marker (id integer primary key, step integer not null)";
const MARK = "insert into public.marker values (1, 0)";

export const LEDGER = {
  tables: ["public.marker", "public.accounts", "public.events"],
  marker: MARKER,
  mark: MARK,
  create: [
    MARKER,
    "create table public.accounts (id bigint primary key, balance bigint not null, note text not null)",
    "create table public.events (id bigint primary key, account bigint not null, amount numeric(14,2) not null, note text not null)",
  ],
  fill: [MARK, `insert into public.accounts select i, 0, md5(i::text) from generate_series(1, ${ACCOUNTS}) i`],
} as const;

/** One row in each transaction. */
export function oneByOne(part: number, changes: number): string {
  const count = Math.round(changes * ONE_BY_ONE);
  return `
    do $$ begin
      for i in ${part * count + 1}..${(part + 1) * count} loop
        update public.accounts set balance = balance + i where id = (i * 7919::bigint) % ${ACCOUNTS} + 1;
        commit;
      end loop;
    end $$`;
}

/** The rest, 10,000 rows in each transaction. */
export function bulkOf(part: number, changes: number): string {
  const transactions = Math.round((changes * (1 - ONE_BY_ONE)) / ROWS_A_TRANSACTION);
  return `
    do $$ begin
      for i in ${part * transactions}..${(part + 1) * transactions - 1} loop
        insert into public.events select n, n % 50021, n / 100.0, md5(n::text)
        from generate_series(i * ${ROWS_A_TRANSACTION} + 1, (i + 1) * ${ROWS_A_TRANSACTION}) n;
        commit;
      end loop;
    end $$`;
}
