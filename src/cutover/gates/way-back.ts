import type { Gate } from "../gate.ts";

interface Settings {
  readonly wal_level: string;
  readonly slots_left: string;
  readonly senders_left: string;
  readonly ours: string;
  readonly may_replicate: string;
  readonly may_publish: string;
}

/** A stream out of the new primary can be made, or is there. */
export const wayBackGate: Gate = {
  id: "way-back",
  title: "a stream out of the new primary is possible",
  async ask({ to, slots }) {
    const [found] = await to.query<Settings>(
      `select current_setting('wal_level') as wal_level,
              (current_setting('max_replication_slots')::int - (select count(*) from pg_catalog.pg_replication_slots))::text as slots_left,
              (current_setting('max_wal_senders')::int - (select count(*) from pg_catalog.pg_stat_replication))::text as senders_left,
              (select count(*) from pg_catalog.pg_replication_slots where slot_name = $1)::text as ours,
              (select (rolreplication or rolsuper)::text from pg_catalog.pg_roles where rolname = current_user) as may_replicate,
              has_database_privilege(current_database(), 'create')::text as may_publish`,
      [slots[to.name]],
    );
    if (found === undefined) return { open: false, evidence: { cannotTell: "the server did not answer" } };
    const exists = found.ours === "1";
    const faults = [
      ...(found.wal_level === "logical" ? [] : ["alter system set wal_level = logical;   -- and restart the server"]),
      ...(exists || Number(found.slots_left) > 0 ? [] : ["alter system set max_replication_slots = N;   -- and restart the server"]),
      ...(exists || Number(found.senders_left) > 0 ? [] : ["alter system set max_wal_senders = N;   -- and restart the server"]),
      // On RDS the right comes with the role rds_replication, which this column does not show: the slot exists, or creating it will tell.
      ...(exists || found.may_publish === "true"
        ? []
        : [`select format('grant create on database %I to %I', current_database(), '${to.role}') \\gexec`]),
    ];
    return {
      open: faults.length === 0,
      evidence: {
        side: to.name,
        walLevel: found.wal_level,
        slotExists: exists,
        slotsLeft: Number(found.slots_left),
        sendersLeft: Number(found.senders_left),
        roleMayReplicate: found.may_replicate === "true",
      },
      ...(faults.length === 0 ? {} : { fix: faults.join("\n") }),
    };
  },
};
