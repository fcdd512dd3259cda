import { type Operation, someKey } from "./operations.ts";

const REGION = (number: number) => `region ${number}`;
const KIND = (number: number) => `kind ${number}`;
const QUOTED = `"Odd Schema"."Some ""quoted"" Table"`;

export const keyedOperations: Record<string, Operation> = {
  async "insert order"(work) {
    await work.client.query("insert into orders (account_id, contact, tags, total) values ($1, $2, $3, $4)", [
      await someKey(work, "accounts"),
      `${work.random.hex(5)}@example.org`,
      work.random.pick([[], ["x", null], ['quo"te', "com,ma", "back\\slash"]]),
      work.random.integer(1, 99999) / 100,
    ]);
  },

  async "update order"(work) {
    const status = work.random.pick(["new", "paid", "shipped", "it's complicated"]);
    await work.client.query("update orders set status = $2, total = total + 1 where id = $1", [await someKey(work, "orders"), status]);
  },

  async "delete order"(work) {
    await work.client.query("delete from orders where id = $1", [await someKey(work, "orders")]);
  },

  // The only key change that GENERATED ALWAYS AS IDENTITY permits.
  async "renumber order"(work) {
    await work.client.query("update orders set id = default where id = $1", [await someKey(work, "orders")]);
  },

  async "upsert price"({ client, random }) {
    await client.query(
      "insert into prices values ($1, $2, $3) on conflict (region, slot) do update set price = excluded.price where prices.price is distinct from excluded.price",
      [REGION(random.integer(0, 60)), random.integer(0, 60), random.pick(["0", "-0.00", "12.340", "NaN", "1e20", null])],
    );
  },

  async "move price"({ client, random }) {
    await client.query("update prices set region = $1 || ' ' || $4, slot = slot + 1000 where region = $2 and slot = $3", [
      REGION(random.integer(0, 60)),
      REGION(random.integer(0, 60)),
      random.integer(0, 40),
      random.hex(10),
    ]);
  },

  async "delete price"({ client, random }) {
    await client.query("delete from prices where region = $1 and slot = $2", [REGION(random.integer(0, 60)), random.integer(0, 60)]);
  },

  async "insert session"({ client, random }) {
    await client.query("insert into sessions values ($1, clock_timestamp(), $2)", [
      random.hex(32),
      JSON.stringify({ n: random.integer(0, 9) }),
    ]);
  },

  async "update or delete session"({ client, random }) {
    const which = "id = (select id from sessions where id >= $1 order by id limit 1)";
    const change = random.pick([`delete from sessions where ${which}`, `update sessions set seen_at = clock_timestamp() where ${which}`]);
    await client.query(change, [random.hex(32)]);
  },

  async "swap seats"({ client, random }) {
    const [one, two] = [random.integer(1, 40), random.integer(1, 40)];
    await client.query("update seats a set seat = b.seat from seats b where a.id in ($1, $2) and b.id in ($1, $2) and a.id <> b.id", [
      one,
      two,
    ]);
  },

  async "swap seats in two statements"({ client, random }) {
    await client.query("set constraints seats_seat_key deferred");
    const ids = [random.integer(1, 40), random.integer(1, 40)];
    const { rows } = await client.query("select id, seat from seats where id = any ($1) order by id for update", [ids]);
    const [one, two] = rows as { id: number; seat: number }[];
    if (one === undefined || two === undefined) return;
    await client.query("update seats set seat = $2 where id = $1", [one.id, two.seat]);
    await client.query("update seats set seat = $2 where id = $1", [two.id, one.seat]);
  },

  async "rotate all seats"({ client }) {
    await client.query("update seats set seat = seat % 40 + 1");
  },

  async "insert device"({ client, random }) {
    await client.query("insert into devices values ($1, 'new', decode(repeat($2, 90), 'hex'))", [
      `serial-${random.hex(12)}`,
      random.hex(64),
    ]);
  },

  async "change device"({ client, random }) {
    const change = random.pick([
      "update devices set owner = $2",
      "update devices set serial_no = 'serial-' || $2",
      "update devices set owner = null, serial_no = 'serial-' || $2",
      "delete from devices using (select $2::text) unused",
    ]);
    await client.query(`${change} where serial_no = (select serial_no from devices where serial_no >= $1 order by 1 limit 1)`, [
      `serial-${random.integer(1, 999)}`,
      random.hex(12),
    ]);
  },

  async "change quoted table"({ client, random }) {
    const number = random.integer(1, 250);
    const key = `key '${number}"`;
    const change = random.pick([
      `insert into ${QUOTED} values ($1, $2, E'\\\\N', now()) on conflict do nothing`,
      `update ${QUOTED} set "select" = $2, "Größe in '%'" = null where "Key Column" = $1`,
      `update ${QUOTED} set "Key Column" = "Key Column" || E'\\t' || $2 where "Key Column" = $1`,
      `delete from ${QUOTED} where "Key Column" = $1 and "select" <> $2`,
    ]);
    await client.query(change, [key, random.integer(0, 1_000_000)]);
  },
};

export const partitionAndMultisetOperations: Record<string, Operation> = {
  async "insert events"({ client, random }) {
    const payload = random.chance(0.3) ? "repeat(md5($3::text), 90)" : "$3::text";
    await client.query(`insert into events (bucket, payload) select ($1 + i * 50) % 400, ${payload} from generate_series(1, $2) i`, [
      random.integer(0, 399),
      random.integer(1, 6),
      random.hex(8),
    ]);
  },

  async "move event to another partition"(work) {
    await work.client.query("update events set bucket = (bucket + $2) % 400 where id = $1", [
      await someKey(work, "events"),
      work.random.pick([1, 100, 200, 300]),
    ]);
  },

  async "update or delete event"(work) {
    const change = work.random.pick(["delete from events", "update events set payload = payload || 'x'"]);
    await work.client.query(`${change} where id = $1`, [await someKey(work, "events")]);
  },

  async "log the same row several times"({ client, random }) {
    const note = random.pick(["null", "''", "'n'", "repeat('note', 700)"]);
    await client.query(`insert into audit_log select $1, $2, ${note} from generate_series(1, $3)`, [
      KIND(random.integer(0, 20)),
      random.integer(0, 4),
      random.integer(1, 4),
    ]);
  },

  async "change one of several equal log rows"({ client, random }) {
    const change = random.pick(["delete from audit_log", "update audit_log set amount = amount + 1", "update audit_log set amount = null"]);
    await client.query(`${change} where ctid = (select ctid from audit_log where kind = $1 offset $2 limit 1)`, [
      KIND(random.integer(0, 20)),
      random.integer(0, 9),
    ]);
  },

  async "change all equal log rows"({ client, random }) {
    const change = random.pick(["delete from audit_log", "update audit_log set note = 'n'", "update audit_log set amount = amount"]);
    await client.query(`${change} where kind = $1 and amount = $2`, [KIND(random.integer(0, 20)), random.integer(0, 9)]);
  },
};

export const truncatedOperations: Record<string, Operation> = {
  async "insert scratch"({ client, random }) {
    await client.query("insert into scratch (text) values ($1)", [random.hex(10)]);
  },

  async "insert family"({ client, random }) {
    const { rows } = await client.query("insert into parents (name) values ($1) returning id", [random.hex(4)]);
    await client.query("insert into children (parent_id, name) select $1, i::text from generate_series(1, $2) i", [
      (rows[0] as { id: string }).id,
      random.integer(0, 3),
    ]);
  },

  async "truncate scratch"({ client, random }) {
    await client.query(`truncate scratch${random.pick(["", " restart identity"])}`);
    if (random.chance(0.5)) await client.query("insert into scratch (text) values ('after truncate')");
  },

  async "truncate family"({ client, random }) {
    await client.query(random.pick(["truncate parents, children", "truncate parents cascade"]));
    if (random.chance(0.5)) await client.query("insert into parents (name) values ('after truncate')");
  },
};
