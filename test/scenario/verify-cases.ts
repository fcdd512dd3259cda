/** One table a difference: how it is made and filled, what somebody does to it at the target, and what `verify diff` must say. */

export interface DifferenceCase {
  readonly table: string;
  /** Without: nobody touched it, and it must be equal. */
  readonly atTarget?: string;
  /** Run at both ends. */
  readonly create: string;
  readonly differences?: readonly {
    kind: "missing" | "extra" | "changed";
    key?: readonly string[];
    columns?: readonly string[];
    times?: number;
  }[];
}

const changed = (key: string | readonly string[], ...columns: string[]) => ({ kind: "changed" as const, key: [key].flat(), columns });
const missing = (...key: string[]) => ({ kind: "missing" as const, key, columns: [] });
const extra = (...key: string[]) => ({ kind: "extra" as const, key, columns: [] });

/** A column of one type, with a value at the source and one at the target that compares equal, prints alike, or differs least. */
type ColumnCase = readonly [name: string, type: string, source: string, target: string];

const VALUES: readonly ColumnCase[] = [
  ["text_blank", "text", "'a'", "'a '"],
  ["text_case", "text", "'straße'", "'Straße'"],
  ["text_form", "text", "U&'\\00e9'", "U&'e\\0301'"],
  ["text_empty", "text", "null", "''"],
  ["text_null", "text", "'null'", "null"],
  ["text_dash", "text", "'-'", "null"],
  ["numeric_scale", "numeric", "1.0", "1.00"],
  ["numeric_last", "numeric", "12345678901234567890.12345678901", "12345678901234567890.12345678902"],
  ["numeric_nan", "numeric", "0", "'NaN'"],
  ["float_zero", "float8", "0", "'-0'"],
  ["float_last", "float8", "0.1", "0.10000000000000002"],
  ["real_last", "real", "0.1", "0.10000001"],
  ["microsecond", "timestamp", "'2026-01-01 00:00:00.000001'", "'2026-01-01 00:00:00.000002'"],
  ["timestamptz", "timestamptz", "'2026-01-01 00:00:00+00'", "'2026-01-01 00:00:00.000001+00'"],
  ["interval", "interval", "'1 month'", "'30 days'"],
  ["json", "json", `'{"a": 1}'`, `'{"a":1}'`],
  ["jsonb", "jsonb", `'{"a": 1.0}'`, `'{"a": 1.00}'`],
  ["bounds", "int[]", "'{1,2}'", "'[0:1]={1,2}'"],
  ["array_null", "text[]", "array[null]", "array['NULL']"],
  ["array_empty", "int[]", "'{}'", "null"],
  ["bytea", "bytea", "'\\x00ff'", "'\\x00fe'"],
  ["bytea_empty", "bytea", "''", "null"],
  ["bool", "bool", "true", "false"],
  ["bool_null", "bool", "false", "null"],
  ["range", "int4range", "'[1,2)'", "'empty'"],
  ["inet", "inet", "'10.0.0.0/8'", "'10.0.0.0/9'"],
  ["bits", "bit varying", "B'01'", "B'010'"],
  ["mood", "mood", "'calm'", "'alarmed'"],
  ["markup", "xml", `'<?xml version="1.0" encoding="UTF-8"?><a/>'`, "'<a />'"],
  ["flags", '"char"', "'a'", "'b'"],
  ["pair", "pair", "row(null, null)::pair", "null"],
];

const TOASTED = "(select string_agg(md5(i::text || n::text), '') from generate_series(1, 200) n)";

const SHAPES: readonly DifferenceCase[] = [
  {
    table: "untouched",
    create: "create table untouched (id int primary key, v text); insert into untouched select i, i from generate_series(1, 50) i",
  },
  { table: "empty", create: "create table empty (id int primary key)" },
  {
    table: "untouched_bag",
    create:
      "create table untouched_bag (v text); alter table untouched_bag replica identity full; insert into untouched_bag select 'a' from generate_series(1, 5)",
  },
  {
    table: "row_missing",
    create: "create table row_missing (id int primary key); insert into row_missing select generate_series(1, 50)",
    atTarget: "delete from row_missing where id = 31",
    differences: [missing("31")],
  },
  {
    table: "row_extra",
    create: "create table row_extra (id int primary key); insert into row_extra select generate_series(1, 50)",
    atTarget: "insert into row_extra values (-1)",
    differences: [extra("-1")],
  },
  {
    table: "row_exchanged",
    create:
      "create table row_exchanged (id int primary key, v text); insert into row_exchanged select i, 'same' from generate_series(1, 50) i",
    atTarget: "update row_exchanged set id = 99 where id = 9",
    differences: [missing("9"), extra("99")],
  },
  {
    table: "swapped",
    create: "create table swapped (id int primary key, v text); insert into swapped select i, 'v' || i from generate_series(1, 50) i",
    atTarget: "update swapped set v = case id when 3 then 'v4' else 'v3' end where id in (3, 4)",
    differences: [changed("3", "v"), changed("4", "v")],
  },
  {
    table: "shifted",
    create:
      "create table shifted (id int primary key, a text, b text, c int); insert into shifted select i, 'ab', 'c', 1 from generate_series(1, 50) i",
    atTarget: "update shifted set a = 'a', b = 'bc' where id = 5",
    differences: [changed("5", "a", "b")],
  },
  {
    table: "key_case",
    create:
      "create table key_case (code text primary key, v int); insert into key_case select 'key-' || i, i from generate_series(1, 50) i",
    atTarget: "update key_case set code = 'KEY-8' where code = 'key-8'",
    differences: [missing("key-8"), extra("KEY-8")],
  },
  {
    table: "key_scale",
    create:
      "create table key_scale (n numeric primary key, v int); insert into key_scale select (i || '.0')::numeric, i from generate_series(1, 50) i",
    atTarget: "update key_scale set n = 8.00 where n = 8",
    differences: [missing("8.0"), extra("8.00")],
  },
  {
    table: "key_array",
    create:
      "create table key_array (k int[], l text[], v int, primary key (k, l)); insert into key_array select array[i, i + 1], array['a,' || i], i from generate_series(1, 50) i",
    atTarget: "update key_array set v = 0 where k = '{8,9}'",
    differences: [changed(["{8,9}", '{"a,8"}'], "v")],
  },
  {
    table: "two_keys",
    create:
      "create table two_keys (a text, b text, v int, primary key (a, b)); insert into two_keys select 'a,' || i, 'ü ''' || i, i from generate_series(1, 50) i",
    atTarget: "update two_keys set v = 0 where a = 'a,2'",
    differences: [changed(["a,2", "ü '2"], "v")],
  },
  {
    table: "parted",
    create: `create table parted (id int, region text, primary key (id, region)) partition by list (region);
      create table parted_a partition of parted for values in ('a'); create table parted_b partition of parted for values in ('b');
      insert into parted select i, 'a' from generate_series(1, 50) i`,
    atTarget: "update parted set region = 'b' where id = 12",
    differences: [missing("12", "a"), extra("12", "b")],
  },
  {
    table: "parted_value",
    create: `create table parted_value (id int, at int, primary key (id, at)) partition by range (at);
      create table parted_value_1 partition of parted_value for values from (0) to (10); create table parted_value_2 partition of parted_value default;
      alter table parted_value add v text default 'v'; insert into parted_value select i, i % 20 from generate_series(1, 50) i`,
    atTarget: "update parted_value set v = 'w' where id = 15",
    differences: [changed(["15", "15"], "v")],
  },
  {
    table: "toasted",
    create: `create table toasted (id int primary key, small text, big text); alter table toasted alter big set storage external;
      insert into toasted select i, 'same', ${TOASTED} from generate_series(1, 10) i`,
    atTarget: "update toasted set big = overlay(big placing '?' from 5000 for 1) where id = 2",
    differences: [changed("2", "big")],
  },
  {
    table: "secrets",
    create: "create table secrets (id int primary key, v text); insert into secrets select i, 'pan-4111' from generate_series(1, 50) i",
    atTarget: "update secrets set v = 'pan-4222' where id > 20",
    differences: Array.from({ length: 30 }, (_, place) => changed(String(place + 21), "v")),
  },
  {
    table: "emptied",
    create: "create table emptied (id int primary key); insert into emptied select generate_series(1, 5)",
    atTarget: "truncate emptied",
    differences: ["1", "2", "3", "4", "5"].map((id) => missing(id)),
  },
  {
    table: "filled",
    create: "create table filled (id int primary key)",
    atTarget: "insert into filled values (1)",
    differences: [extra("1")],
  },
];

const BAG = (name: string): string =>
  `create table ${name} (a int, v text); alter table ${name} replica identity full; insert into ${name} select i / 3, 'v' from generate_series(1, 30) i`;
const ONE_OF = "where ctid = (select min(ctid) from";

const BAGS: readonly DifferenceCase[] = [
  {
    table: "bag_doubled",
    create: BAG("bag_doubled"),
    atTarget: "insert into bag_doubled values (4, 'v')",
    differences: [{ kind: "extra", times: 1 }],
  },
  {
    table: "bag_missing",
    create: BAG("bag_missing"),
    atTarget: `delete from bag_missing ${ONE_OF} bag_missing where a = 4)`,
    differences: [{ kind: "missing", times: 1 }],
  },
  {
    table: "bag_exchanged",
    create: BAG("bag_exchanged"),
    atTarget: `delete from bag_exchanged where a = 5; insert into bag_exchanged select 4, 'v' from generate_series(1, 3)`,
    differences: [
      { kind: "missing", times: 3 },
      { kind: "extra", times: 3 },
    ],
  },
  {
    table: "bag_changed",
    create: BAG("bag_changed"),
    atTarget: `update bag_changed set v = 'V' ${ONE_OF} bag_changed where a = 6)`,
    differences: [
      { kind: "missing", times: 1 },
      { kind: "extra", times: 1 },
    ],
  },
  {
    table: "bag_emptied",
    create: BAG("bag_emptied"),
    atTarget: "truncate bag_emptied",
    // v three times with 1 to 9, twice with 0, once with 10.
    differences: [...Array.from({ length: 9 }, () => 3), 2, 1].map((times) => ({ kind: "missing" as const, times })),
  },
];

/** Row n differs in column n alone. */
const EVERY_VALUE: DifferenceCase = {
  table: "every_value",
  create: `create table every_value (id int primary key, ${VALUES.map(([name, type]) => `${name} ${type}`).join(", ")});
    insert into every_value select i, ${VALUES.map(([, , source]) => source).join(", ")} from generate_series(1, 50) i`,
  atTarget: VALUES.map(([name, , , target], place) => `update every_value set ${name} = ${target} where id = ${place + 1}`).join("; "),
  differences: VALUES.map(([name], place) => changed(String(place + 1), name)),
};

/** `mood` has a cast that tells nothing: a digest over `::text` would take all its values for one. */
export const TYPES = `
  create type mood as enum ('calm', 'alarmed');
  create function mood_text(mood) returns text immutable language sql as $$ select 'some mood' $$;
  create cast (mood as text) with function mood_text(mood);
  create type pair as (a int, b text)`;

export const CASES: readonly DifferenceCase[] = [EVERY_VALUE, ...SHAPES, ...BAGS];
