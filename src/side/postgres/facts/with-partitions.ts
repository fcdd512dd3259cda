/**
 * Joined to tables that are named as `r(schema, name)`: `c`, each of them and its partitions of every level, as they are now, and `n`, the schema
 * of `c`. Takes a lock of the weakest kind on every partition.
 */
export const WITH_PARTITIONS = `
      join pg_catalog.pg_namespace rn on rn.nspname = r.schema
      join pg_catalog.pg_class rc on rc.relnamespace = rn.oid and rc.relname = r.name
     cross join lateral (select rc.oid as relid union select p.relid::oid from pg_catalog.pg_partition_tree(rc.oid) p) as tree
      join pg_catalog.pg_class c on c.oid = tree.relid and c.relkind in ('r', 'p')
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace`;
