import type { Gate, GateSide } from "../gate.ts";

interface Sequence {
  readonly name: string;
  /** Schema and name of the table that owns it, as a JSON array. */
  readonly owner: string | null;
  readonly readable: string;
  readonly settable: string;
}

/** Every sequence of the old primary can be read, and exists at the new one, where it can be set. */
export const sequencesGate: Gate = {
  id: "sequences",
  title: "every sequence can be read, and set at the other side",
  async ask({ from, to, tables }) {
    const moved = new Set(tables.map(({ schema, name }) => JSON.stringify([schema, name])));
    // What belongs to a table that stays behind stays behind with it.
    const here = (await sequencesOf(from)).filter(({ owner }) => owner === null || moved.has(JSON.stringify(JSON.parse(owner))));
    const there = new Map((await sequencesOf(to)).map((sequence) => [sequence.name, sequence]));
    const unreadable = here.filter(({ readable }) => readable !== "true").map(({ name }) => name);
    const missing = here.filter(({ name }) => !there.has(name)).map(({ name }) => name);
    const unsettable = here.filter(({ name }) => there.get(name)?.settable === "false").map(({ name }) => name);
    const open = unreadable.length + missing.length + unsettable.length === 0;
    return {
      open,
      evidence: {
        sequences: here.length,
        unreadable: unreadable.slice(0, 5),
        missing: missing.slice(0, 5),
        unsettable: unsettable.slice(0, 5),
      },
      ...(open ? {} : { fix: fixFor({ unreadable, unsettable }, from, to) }),
    };
  },
};

async function sequencesOf(side: GateSide): Promise<readonly Sequence[]> {
  return side.query<Sequence>(
    `select format('%I.%I', n.nspname, s.relname) as name,
            (select min(json_build_array(tn.nspname, t.relname)::text) from pg_catalog.pg_depend d join pg_catalog.pg_class t on t.oid = d.refobjid
               join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
              where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
                and d.deptype in ('a', 'i') and not t.relispartition) as owner,
            has_sequence_privilege(s.oid, 'select')::text as readable, has_sequence_privilege(s.oid, 'update')::text as settable
       from pg_catalog.pg_class s join pg_catalog.pg_namespace n on n.oid = s.relnamespace
      where s.relkind = 'S' and s.relpersistence <> 't' and n.nspname <> 'pghaul' order by 1`,
  );
}

function fixFor(
  { unreadable, unsettable }: { readonly unreadable: readonly string[]; readonly unsettable: readonly string[] },
  from: GateSide,
  to: GateSide,
): string {
  if (unreadable.length > 0) return `grant select on sequence ${unreadable.join(", ")} to "${from.role}";   -- at the ${from.name}`;
  if (unsettable.length > 0) return `grant update on sequence ${unsettable.join(", ")} to "${to.role}";   -- at the ${to.name}`;
  return `create the missing sequences at the ${to.name}; the switch sets their values`;
}
