import type pg from "pg";
import type { Random } from "../random.ts";

/** What an operation works with, inside an open transaction. */
export interface Work {
  readonly client: pg.ClientBase;
  readonly random: Random;
  /** Rows of `accounts` at the start. */
  readonly rows: number;
  /** Codes that earlier transactions gave up, of all writers: unique values change hands across transactions too. */
  readonly released: string[];
  /** Codes given up by this transaction, released once it commits. */
  readonly releasing: string[];
}

export type Operation = (work: Work) => Promise<unknown>;

const TOASTED_OF = (parameter: string) => `repeat(md5(${parameter}::text), 65 + length(${parameter}::text) % 7 * 20)`;

/** A key that probably exists; null when the table is empty or the aim was beyond its end. Half aim at recent rows. */
export async function someKey(work: Work, table: string, key = "id"): Promise<string | null> {
  const { client, random } = work;
  const result = random.chance(0.4)
    ? await client.query(`select ${key}::text as key from ${table} order by ${key} desc offset $1 limit 1`, [random.integer(0, 200)])
    : await client.query(`select ${key}::text as key from ${table} where ${key} >= $1 order by ${key} limit 1`, [
        random.integer(1, work.rows),
      ]);
  return (result.rows[0] as { key: string } | undefined)?.key ?? null;
}

function code(work: Work): string {
  if (work.random.chance(0.5)) {
    const released = work.released.shift();
    if (released !== undefined) return released;
  }
  return `code-${work.random.hex(16)}`;
}

export const accountOperations: Record<string, Operation> = {
  async "insert accounts"({ client, random, ...work }) {
    for (let count = random.integer(1, 5); count > 0; count -= 1) {
      const values = [code({ client, random, ...work }), random.integer(-99999, 99999) / 100, random.hex(12)];
      const statement = random.chance(0.2) ? TOASTED_OF("$3") : "null";
      await client.query(`insert into accounts (code, balance, note, statement) values ($1, $2, $3, ${statement})`, values);
    }
  },

  async "update accounts"(work) {
    const from = work.random.integer(1, work.rows);
    await work.client.query("update accounts set balance = balance + $2, changed_at = clock_timestamp() where id between $1 and $1 + $3", [
      from,
      work.random.integer(1, 100),
      work.random.integer(0, 4),
    ]);
  },

  async "update many accounts"(work) {
    const from = work.random.integer(1, work.rows);
    await work.client.query("update accounts set balance = balance + 0.01 where id between $1 and $1 + 400", [from]);
  },

  async "delete account"(work) {
    const { rows } = await work.client.query("delete from accounts where id = $1 returning code", [await someKey(work, "accounts")]);
    for (const row of rows as { code: string }[]) work.releasing.push(row.code);
  },

  async "move account to another key"(work) {
    await work.client.query("update accounts set id = nextval(pg_get_serial_sequence('accounts', 'id')), note = $2 where id = $1", [
      await someKey(work, "accounts"),
      work.random.hex(6),
    ]);
  },

  async "delete and reinsert account"(work) {
    const { rows } = await work.client.query("delete from accounts where id = $1 returning *", [await someKey(work, "accounts")]);
    for (const row of rows as { id: string; code: string; statement: string | null }[]) {
      await work.client.query("insert into accounts (id, code, balance, note, statement) values ($1, $2, 1, 'back', $3)", [
        row.id,
        row.code,
        work.random.chance(0.5) ? row.statement : null,
      ]);
    }
  },

  async "exchange codes"(work) {
    const keys = [await someKey(work, "accounts"), await someKey(work, "accounts")];
    const { rows } = await work.client.query("select id, code from accounts where id = any ($1) order by id for update", [keys]);
    const [one, two] = rows as { id: string; code: string }[];
    if (one === undefined || two === undefined) return;
    const set = (id: string, value: string) => work.client.query("update accounts set code = $2 where id = $1", [id, value]);
    await set(one.id, `between-${work.random.hex(16)}`);
    await set(two.id, one.code);
    await set(one.id, two.code);
  },

  async "hand a code over"(work) {
    const { client, random } = work;
    const { rows } = await client.query("delete from accounts where id = $1 returning code", [await someKey(work, "accounts")]);
    for (const { code: freed } of rows as { code: string }[]) {
      if (random.chance(0.5)) await client.query("insert into accounts (code, note) values ($1, 'heir')", [freed]);
      else await client.query("update accounts set code = $2 where id = $1", [await someKey(work, "accounts"), freed]);
    }
  },

  async "give a code up"(work) {
    const { rows } = await work.client.query(
      "update accounts a set code = $2 from accounts old where a.id = $1 and old.id = a.id returning old.code",
      [await someKey(work, "accounts"), code(work)],
    );
    for (const row of rows as { code: string }[]) work.releasing.push(row.code);
  },
};

export const documentOperations: Record<string, Operation> = {
  async "insert document"({ client, random }) {
    await client.query(
      `insert into documents (body, attributes) values (${TOASTED_OF("$1")}, jsonb_build_object('filler', ${TOASTED_OF("$1")}))`,
      [random.hex(random.integer(1, 20))],
    );
  },

  async "update document beside its TOAST"(work) {
    await work.client.query("update documents set version = version + 1 where id = $1", [await someKey(work, "documents")]);
  },

  async "update one of two TOASTed columns"(work) {
    const column = work.random.pick([`body = ${TOASTED_OF("$2")}`, `attributes = jsonb_build_object('new', ${TOASTED_OF("$2")})`]);
    await work.client.query(`update documents set ${column} where id = $1`, [await someKey(work, "documents"), work.random.hex(9)]);
  },

  async "shorten or drop TOASTed column"(work) {
    const value = work.random.pick(["null", "''", "'short'", "left(body, 1900)", "body || body"]);
    await work.client.query(`update documents set body = ${value} where id = $1 and coalesce(length(body), 0) < 100000`, [
      await someKey(work, "documents"),
    ]);
  },

  async "move document with unchanged TOAST"(work) {
    await work.client.query("update documents set id = nextval(pg_get_serial_sequence('documents', 'id')) where id = $1", [
      await someKey(work, "documents"),
    ]);
  },

  // The key that a document leaves is taken by another in the same transaction: a follower that keeps "the row of key k" mixes them up.
  async "move document and take its place"(work) {
    const [leaving, taking] = [await someKey(work, "documents"), await someKey(work, "documents")];
    if (leaving === null || leaving === taking) return;
    await work.client.query("update documents set id = nextval(pg_get_serial_sequence('documents', 'id')) where id = $1", [leaving]);
    await work.client.query("update documents set id = $1, version = version + 1 where id = $2", [leaving, taking]);
  },

  async "delete document"(work) {
    await work.client.query("delete from documents where id = $1", [await someKey(work, "documents")]);
  },
};
