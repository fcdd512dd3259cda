/** Tables of the copies. Contents are a function of the id, so that every bench moves the same rows. */
export interface TableRecipe {
  readonly name: string;
  readonly create: string;
  readonly fill: (rows: number) => string;
}

/** About 75 bytes a row, as bookings are. */
export const NARROW: TableRecipe = {
  name: "public.narrow",
  create: `create table public.narrow (id bigint primary key, account integer not null, amount numeric(12,2) not null, at timestamptz not null, note text)`,
  fill: (rows) => `
    insert into public.narrow
    select i, i % 50021, (i * 7919::bigint % 1000000) / 100.0, timestamptz '2026-01-01 00:00:00+00' + i * interval '1.5 seconds',
           case when i % 4 = 0 then null else 'booking ' || i end
    from generate_series(1, ${rows}) i`,
};

/** About 700 bytes a row, most of it jsonb. */
export const WIDE: TableRecipe = {
  name: "public.wide",
  create: `create table public.wide (id bigint primary key, tenant integer not null, payload jsonb not null, tags text[] not null, updated timestamptz not null)`,
  fill: (rows) => `
    insert into public.wide
    select i, i % 997,
           jsonb_build_object('order', i, 'state', (array['new', 'paid', 'sent', 'back'])[i % 4 + 1], 'token', md5(i::text), 'total', i % 100000 / 100.0,
                              'lines', jsonb_build_array(jsonb_build_object('sku', md5((i + 1)::text), 'quantity', i % 7, 'text', repeat(md5((i + 2)::text), 4)),
                                                         jsonb_build_object('sku', md5((i + 3)::text), 'quantity', i % 5, 'text', repeat(md5((i + 4)::text), 4)))),
           array['a' || i % 10, 'quote "' || i % 3, 'tab' || chr(9)], timestamptz '2026-01-01 00:00:00+00' + i * interval '1 second'
    from generate_series(1, ${rows}) i`,
};

/** About 1 kB a row, too small for TOAST and its compression. */
export const LARGE: TableRecipe = {
  name: "public.large",
  create: `create table public.large (id bigint primary key, state integer not null, filler text not null)`,
  fill: (rows) => `insert into public.large select i, 0, repeat(md5(i::text), 30) from generate_series(1, ${rows}) i`,
};
