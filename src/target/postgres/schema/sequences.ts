import type { Queryable } from "../../../postgres/queryable.ts";

/** A sequence that has been used. Numbers are decimal text: a bigint sequence passes what a JavaScript number holds. */
export interface SequenceState {
  readonly schema: string;
  readonly name: string;
  readonly lastValue: string;
}

/** Sequences are not in the stream; these are read again at the cutover, under the fence. Never-used ones need nothing. */
export async function readSequences(source: Queryable): Promise<readonly SequenceState[]> {
  const { rows } = await source.query<{ schema: string; name: string; last: string }>(`
    select schemaname::text as schema, sequencename::text as name, last_value::text as last
      from pg_catalog.pg_sequences where last_value is not null and schemaname <> 'pghaul' order by 1, 2`);
  return rows.map(({ schema, name, last }) => ({ schema, name, lastValue: last }));
}

/**
 * Sets the target's sequences `margin` steps of their own increment ahead of the source's, within their limits and never behind where
 * they stand. A cycling sequence is set as it is: ahead of its end would be somewhere else. Returns those that do not exist at the
 * target.
 */
export async function setSequences(
  target: Queryable,
  sequences: readonly SequenceState[],
  margin: number,
): Promise<readonly SequenceState[]> {
  const missing: SequenceState[] = [];
  for (const sequence of sequences) {
    const { rowCount } = await setSequence(target, sequence, margin);
    if (rowCount === 0) missing.push(sequence);
  }
  return missing;
}

/** numeric, for at the end of a bigint's range the margin would overflow it. */
function setSequence(target: Queryable, { schema, name, lastValue }: SequenceState, margin: number) {
  return target.query(
    `
    select pg_catalog.setval(pg_catalog.format('%I.%I', s.schemaname, s.sequencename)::regclass,
      (case when s.cycle then $3::numeric
            when s.increment_by > 0 then least(s.max_value::numeric, greatest($3::numeric + $4::numeric * s.increment_by, s.last_value::numeric))
            else greatest(s.min_value::numeric, least($3::numeric + $4::numeric * s.increment_by, s.last_value::numeric)) end)::bigint, true)
      from pg_catalog.pg_sequences s where s.schemaname = $1 and s.sequencename = $2`,
    [schema, name, lastValue, String(margin)],
  );
}
