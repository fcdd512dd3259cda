/** Sequences are not in the stream: the fence reads them at the old primary, and the new one is set ahead of them. */
import { qualifiedName, quoteLiteral } from "../../../postgres/quote.ts";

/** Sequences whose position pg_sequences does not tell: never used since they were made, or since ALTER SEQUENCE ... RESTART. */
export function unusedSequencesSql(): string {
  return `
    select schemaname::text as schema, sequencename::text as name, start_value::text as start, increment_by::text as increment
      from pg_catalog.pg_sequences where last_value is null and schemaname <> 'pghaul' and has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'select')`;
}

export interface UnusedSequence {
  readonly schema: string;
  readonly name: string;
  readonly start: string;
  readonly increment: string;
}

/**
 * Schema, name and last value of every sequence. One that was restarted and not used since stands before its next value; one that was never
 * used at all is left out, for its twin stands at the start as well.
 */
export function sequencesSql(unused: readonly UnusedSequence[]): string {
  const restarted = unused.map(
    ({ schema, name, start, increment }) => `
    union all select ${quoteLiteral(schema)}, ${quoteLiteral(name)}, (last_value::numeric - (${increment})::numeric)::text
      from ${qualifiedName(schema, name)} where not is_called and last_value <> ${start}::bigint`,
  );
  return `
    select schemaname::text as schema, sequencename::text as name, last_value::text as last
      from pg_catalog.pg_sequences where last_value is not null and schemaname <> 'pghaul'${restarted.join("")}`;
}

/**
 * Sets sequences ahead of the values given ($1 schemas, $2 names, $3 values) by $4 of their own increments, and never behind where they
 * stand. Near the end of a sequence half of what is left is all that is taken: a margin must not use the sequence up. numeric, because at
 * the end of a bigint's range the sum would overflow it. Returns those that exist here.
 */
export function takeSequencesSql(): string {
  return `
    select s.schemaname::text as schema, s.sequencename::text as name,
           setval(format('%I.%I', s.schemaname, s.sequencename)::regclass, ahead.value::bigint, true)::text as value
      from unnest($1::text[], $2::text[], $3::text[]) as given(schema, name, last)
      join pg_catalog.pg_sequences s on s.schemaname = given.schema and s.sequencename = given.name
     cross join lateral (select given.last::numeric as last, s.increment_by::numeric as step, s.min_value::numeric as low, s.max_value::numeric as high) as n
     cross join lateral (
       select n.last + n.step * greatest(0, least($4::numeric, trunc((case when n.step > 0 then n.high - n.last else n.last - n.low end) / abs(n.step) / 2))) as value) as wanted
     cross join lateral (
       select least(n.high, greatest(n.low, case when n.step > 0 then greatest(wanted.value, coalesce(s.last_value, wanted.value))
                                                 else least(wanted.value, coalesce(s.last_value, wanted.value)) end)) as value) as ahead`;
}
