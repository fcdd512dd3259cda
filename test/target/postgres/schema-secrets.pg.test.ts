import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { askOf } from "../../../src/side/postgres/catalog/ask.ts";
import { readLeftSecrets } from "../../../src/side/postgres/foreign/secret-options.ts";
import { query } from "../../support/database.ts";
import { moveAll, openSides, type SchemaServers, startSchemaServers } from "./schema-bench.ts";

/** Whatever holds XYZZY must not leave the source. */
const SECRETS = `
create foreign data wrapper w options (debug 'true', "API_key" 'XYZZY-1');
create server s type 'odd' version '1.0' foreign data wrapper w options (host 'db.example', password 'XYZZY-2 ''); --', port '5433', note 'it''s \\ here');
create server bare foreign data wrapper w options (passphrase E'XYZZY-3\\\\');
create server dsn foreign data wrapper w options (dsn 'mysql://app:XYZZY-4@db.example/shop');
create foreign table far (id int options (column_name 'id', secret 'XYZZY-5'), "OPTIONS" text default 'OPTIONS (password ''kept'')') server s options (schema_name 'x', "auth Token" 'XYZZY-6');
create user mapping for public server s options ("user" 'app', password 'XYZZY-7');
create user mapping for postgres server s options ("user" 'app', "odd one" 'XYZZY-8');
create user mapping for postgres server bare options ("user" 'app'); create user mapping for public server bare;
create function looks_alike() returns text language sql as $$select 'CREATE USER MAPPING FOR public SERVER s OPTIONS ("user" ''u'', password ''no secret'');'$$;
create table t (id int primary key)`;

suite("secrets of foreign objects", () => {
  let servers: SchemaServers;
  before(async () => {
    servers = await startSchemaServers();
  });
  after(() => servers[Symbol.asyncDispose]());

  test("none reaches the state directory or the target; everything else moves", async () => {
    const all = await openSides(servers, {}, SECRETS);
    await moveAll({ ...all, tables: [] }, undefined, () => Promise.resolve());
    for (const file of readdirSync(all.options.dir)) {
      const where = path.join(all.options.dir, file);
      assert.doesNotMatch(readFileSync(where, "latin1"), /XYZZY/, file);
      assert.equal(statSync(where).mode & 0o077, 0, `others may read ${file}`);
    }
    assert.deepEqual(
      await query(
        all.to,
        `select srvname, srvtype, srvversion, srvoptions from pg_foreign_server union all select fdwname, null, null, fdwoptions from pg_foreign_data_wrapper
         union all select ftrelid::regclass::text, null, null, ftoptions from pg_foreign_table
         union all select attname, null, null, attfdwoptions from pg_attribute where attfdwoptions is not null order by 1`,
      ),
      [
        { srvname: "bare", srvtype: null, srvversion: null, srvoptions: null },
        { srvname: "dsn", srvtype: null, srvversion: null, srvoptions: null },
        { srvname: "far", srvtype: null, srvversion: null, srvoptions: ["schema_name=x"] },
        { srvname: "id", srvtype: null, srvversion: null, srvoptions: ["column_name=id"] },
        { srvname: "s", srvtype: "odd", srvversion: "1.0", srvoptions: ["host=db.example", "note=it's \\ here", "port=5433"] },
        { srvname: "w", srvtype: null, srvversion: null, srvoptions: ["debug=true"] },
      ],
    );
    assert.deepEqual(await query(all.to, "select usename, srvname, umoptions from pg_user_mappings order by 1"), [
      { usename: "postgres", srvname: "bare", umoptions: ["user=app"] },
      { usename: "public", srvname: "bare", umoptions: null },
    ]);
    const same =
      "select pg_get_functiondef('looks_alike'::regproc) || pg_get_expr(adbin, adrelid) as text from pg_attrdef where adrelid = 'far'::regclass";
    assert.deepEqual(await query(all.to, same), await query(all.from, same));
  });

  test("each is named with the statement that makes it whole, and without its value", async () => {
    const { from } = await openSides(servers, {}, SECRETS);
    const client = await from.connect();
    const found = await readLeftSecrets(askOf(client)).finally(() => client.end());
    assert.doesNotMatch(JSON.stringify(found), /XYZZY|kept/);
    assert.deepEqual(
      found.map(({ title, statement }) => `${title} | ${statement}`),
      [
        `column public.far.id: secret | alter foreign table public.far alter column id options (add "secret" '...')`,
        `foreign-data wrapper w: API_key | alter foreign data wrapper w options (add "API_key" '...')`,
        `foreign table public.far: auth Token | alter foreign table public.far options (add "auth Token" '...')`,
        `server bare: passphrase | alter server bare options (add "passphrase" '...')`,
        `server dsn: dsn | alter server dsn options (add "dsn" '...')`,
        `server s: password | alter server s options (add "password" '...')`,
        `user mapping for postgres on server s: user, odd one | create user mapping for postgres server s options ("user" '...', "odd one" '...')`,
        `user mapping for public on server s: user, password | create user mapping for public server s options ("user" '...', "password" '...')`,
      ].sort(),
    );
  });

  test("a role that may not read a mapping's options is told so", async () => {
    const { from } = await openSides(servers, {}, SECRETS);
    const client = await from.connect("dumper");
    const found = await readLeftSecrets(askOf(client)).finally(() => client.end());
    assert.deepEqual(
      found.flatMap(({ title }) => (title.startsWith("user mapping") ? [title] : [])),
      ["postgres on server bare", "postgres on server s", "public on server bare", "public on server s"].map(
        (which) => `user mapping for ${which}: its options are hidden from our role`,
      ),
    );
  });
});
