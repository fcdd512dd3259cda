import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { connect } from "../../src/postgres/connect.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";

const skip = spawnSync("psql", ["--version"]).status === 0 ? false : "psql is not installed, so there is no libpq to compare with";

/** How an attempt ended: who got where, or that it failed, with the server's own words where it was the server that refused. */
type Outcome = { readonly session: string } | { readonly failed: string };

const QUERY = "select current_user, current_database(), coalesce(host(inet_server_addr()), 'socket'), current_setting('search_path')";

let dir = "";
let server: PgServer;

/** HOST's folder of sockets and the port are known only at run time: PORT, SOCKETS and HOME in strings stand for them. */
function fill(text: string): string {
  return text
    .replaceAll("PORT", String(server.port))
    .replaceAll("SOCKETS", server.dataDir)
    .replaceAll("HOME", dir)
    .replaceAll("ENCODED", encodeURIComponent(server.dataDir));
}

/** A refusal is comparable only when it comes from the server; a client's own words are its own. */
function refusal(message: string): string {
  return /(?:role|database) ".*" does not exist|password authentication failed for user ".*"/.exec(message)?.[0] ?? "by the client";
}

async function psql(url: string | undefined, env: Record<string, string>): Promise<Outcome> {
  const args = ["-X", "-A", "-t", "-q", "-w", "-c", QUERY, ...(url === undefined ? [] : ["-d", url])];
  return new Promise((resolve) => {
    execFile(
      "psql",
      args,
      { env: { PATH: process.env.PATH ?? "", HOME: dir, PGSYSCONFDIR: path.join(dir, "system"), ...env } },
      (error, stdout, stderr) => resolve(error === null ? { session: stdout.trim() } : { failed: refusal(stderr) }),
    );
  });
}

async function ours(url: string | undefined, env: Record<string, string>): Promise<Outcome> {
  try {
    const spec = resolveConnection(
      { url },
      { env: { PGSYSCONFDIR: path.join(dir, "system"), ...env }, home: env.HOME ?? dir, user: userInfo().username, socketDirs: [] },
    );
    const client = await connect(spec, { side: "source", purpose: "compare" });
    const { rows } = await client.query({ text: QUERY, rowMode: "array" });
    await client.end();
    return { session: (rows[0] as string[]).join("|") };
  } catch (error) {
    return { failed: refusal((error as Error).message) };
  }
}

describe("the same string and environment lead psql and pghaul to the same session", { skip }, () => {
  before(async () => {
    server = await startServer({ version: 15, passwords: { app: "s3:c\\r@t", "us er": "x y'z" } });
    const admin = await server.connect();
    for (const database of ["app", "d b", "it's", "caf\u00e9", "a/b?c"])
      await admin.query(`create database ${admin.escapeIdentifier(database)}`);
    if (userInfo().username !== "postgres") await admin.query(`create role ${admin.escapeIdentifier(userInfo().username)} login`);
    await admin.end();
    dir = mkdtempSync(path.join(tmpdir(), "pghaul-psql-"));
    mkdirSync(path.join(dir, "system"));
    const secret = (name: string, text: string, mode = 0o600) => {
      writeFileSync(path.join(dir, name), fill(text));
      chmodSync(path.join(dir, name), mode);
    };
    secret(".pgpass", "# comment\n127.0.0.1:PORT:*:app:s3\\:c\\\\r@t\nlocalhost:*:*:us er:x y'z\n");
    secret("open.pass", "*:*:*:*:s3\\:c\\\\r@t\n", 0o644);
    secret("wrong-first.pass", "*:*:*:app:wrong\n127.0.0.1:PORT:*:app:s3\\:c\\\\r@t\n");
    secret("colon.pass", "127.0.0.1:PORT:*:app:s3\\:c\\\\r@t:ignored\n");
    secret(
      ".pg_service.conf",
      "[svc]\nhost=127.0.0.1\nport=PORT\nuser=postgres\ndbname=d b\n[shadow]\nhost=127.0.0.1\nport=PORT\nuser=postgres\ndbname=it's\n[bad]\nhots=x\n",
    );
    secret("system/pg_service.conf", "[shadow]\ndbname=nowhere\n[only-system]\nhost=127.0.0.1\nport=PORT\nuser=postgres\ndbname=app\n");
    secret("other.conf", "[svc]\nhost=127.0.0.1\nport=PORT\nuser=postgres\ndbname=app\n");
  });
  after(async () => {
    rmSync(dir, { recursive: true });
    await server?.[Symbol.asyncDispose]();
  });

  const at = "host=127.0.0.1 port=PORT";
  const cases: readonly [string | undefined, Record<string, string>?][] = [
    // URIs
    ["postgresql://postgres@127.0.0.1:PORT/app"],
    ["postgres://postgres@127.0.0.1:PORT"],
    ["postgres://postgres@127.0.0.1:PORT/d%20b"],
    ["postgres://postgres@127.0.0.1:PORT/it's"],
    ["postgres://postgres@127.0.0.1:PORT/caf%C3%A9"],
    ["postgres://postgres@127.0.0.1:PORT/a%2Fb%3Fc"],
    ["postgres://postgres@127.0.0.1:PORT/a/b%3Fc"],
    ["postgres://postgres@127.0.0.1:PORT/d+b"],
    ["postgres://app:s3%3Ac%5Cr%40t@127.0.0.1:PORT/app"],
    ["postgres://app:s3:c%5Cr%40t@127.0.0.1:PORT/app"],
    ["postgres://app:s3:c%5Cr@t@127.0.0.1:PORT/app"],
    ["postgres://us%20er:x%20y'z@127.0.0.1:PORT/app"],
    ["postgres://app:wrong@127.0.0.1:PORT/app"],
    ["postgres://postgres@ENCODED:PORT/app"],
    ["postgres://postgres@/app?host=SOCKETS&port=PORT"],
    ["postgres:///app?host=SOCKETS&port=PORT&user=postgres"],
    ["postgres://postgres@127.0.0.1:1,127.0.0.1:PORT/app"],
    ["postgres://postgres@127.0.0.1:1,no-such-host.invalid:5,127.0.0.1:PORT/app"],
    ["postgres://postgres@[::1]:1,127.0.0.1:PORT/app"],
    ["postgres://postgres@127.0.0.1:PORT/app?options=-c%20search_path%3Dx"],
    ["postgres://postgres@127.0.0.1:PORT/app?ssl=true"],
    ["postgres://postgres@127.0.0.1:PORT/app?sslmode=require"],
    ["postgres://postgres@127.0.0.1:PORT/app?sslmode=nonsense"],
    ["postgres://postgres@127.0.0.1:PORT/app?schema=public"],
    ["postgres://postgres@127.0.0.1:PORT/app?sslmode"],
    ["postgres://postgres@127.0.0.1:PORT/app?"],
    ["postgres://postgres@127.0.0.1:PORT/app?sslmode=disable&"],
    ["postgres://postgres@127.0.0.1:PORT/app?&"],
    ["postgres://postgres@127.0.0.1:PORT/app?sslmode=disable&&sslmode=disable"],
    ["postgres://postgres@127.0.0.1:PORT/%zz"],
    ["postgres://postgres@127.0.0.1:x/app"],
    ["postgres://postgres@127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1/app"],
    ["postgres://postgres@[::1/app"],
    ["postgres://postgres@127.0.0.1:PORT/app?target_session_attrs=standby"],
    ["postgres://postgres@127.0.0.1:PORT/app?target_session_attrs=read-write"],
    // key=value
    [`${at} user=postgres dbname=app`],
    [`  host = 127.0.0.1   port= 'PORT' user ='postgres' dbname='d b' `],
    [`${at} user=postgres dbname=it\\'s`],
    [`${at} user=postgres dbname='it\\'s'`],
    [`${at} user=postgres dbname=d\\ b`],
    [`${at} user=postgres dbname='it`],
    [`${at} user=postgres dbname`],
    [`${at} user=postgres nonsense=x`],
    [`${at} user=postgres user=app password='s3:c\\\\r@t' dbname=app`],
    [`${at} user='us er' password='x y\\'z' dbname=app`],
    ["host=127.0.0.1,127.0.0.1 port=1,PORT user=postgres dbname=app"],
    ["host=127.0.0.1,127.0.0.1 port=PORT user=postgres dbname=app"],
    ["host=127.0.0.1,127.0.0.1 port=1,2,PORT user=postgres dbname=app"],
    ["host=no-such-host.invalid hostaddr=127.0.0.1 port=PORT user=postgres dbname=app"],
    ["host=a,b hostaddr=127.0.0.1 port=PORT user=postgres dbname=app"],
    ["host=SOCKETS port=PORT user=postgres dbname=app sslmode=verify-full"],
    // defaults and environment
    [undefined, { PGHOST: "127.0.0.1", PGPORT: "PORT", PGUSER: "postgres", PGDATABASE: "d b" }],
    [undefined, { PGHOST: "SOCKETS", PGPORT: "PORT", PGUSER: "postgres" }],
    ["", { PGHOST: "127.0.0.1", PGPORT: "PORT", PGDATABASE: "app" }],
    ["dbname=app", { PGHOST: "127.0.0.1", PGPORT: "PORT" }],
    ["user=app dbname=app", { PGHOST: "127.0.0.1", PGPORT: "PORT", PGPASSWORD: "s3:c\\r@t" }],
    ["user=app password=wrong", { PGHOST: "127.0.0.1", PGPORT: "PORT", PGPASSWORD: "s3:c\\r@t" }],
    [at, { PGUSER: "app", PGPASSFILE: "HOME/wrong-first.pass" }],
    [at, { PGOPTIONS: "-c search_path=y", PGUSER: "postgres", PGDATABASE: "app" }],
    [`${at} options='-c search_path=z'`, { PGOPTIONS: "-c search_path=y", PGUSER: "postgres", PGDATABASE: "app" }],
    [`${at} user=postgres`, { PGSSLMODE: "require" }],
    [`${at} user=postgres sslmode=disable`, { PGSSLMODE: "require" }],
    [`${at} user=postgres`, { PGTARGETSESSIONATTRS: "standby" }],
    // password files
    [`${at} user=app dbname=app`],
    [`host=localhost port=PORT user='us er' dbname=app`],
    [`host=localhost hostaddr=127.0.0.1 port=PORT user='us er' dbname=app`],
    [`${at} user='us er' dbname=app`],
    [`${at} user=app passfile=HOME/open.pass`],
    [`${at} user=app passfile=HOME/wrong-first.pass`],
    [`${at} user=app passfile=HOME/colon.pass`],
    [`${at} user=app passfile=HOME/nowhere`],
    [`${at} user=app password=''`],
    // services
    ["service=svc"],
    ["service=svc dbname=app"],
    ["service=svc user=app", { PGUSER: "nobody" }],
    [undefined, { PGSERVICE: "svc", PGDATABASE: "app" }],
    ["postgres://?service=svc"],
    ["service=shadow"],
    ["service=only-system"],
    ["service=missing host=127.0.0.1 port=PORT"],
    ["service=bad"],
    ["service=svc", { PGSERVICEFILE: "HOME/other.conf" }],
    ["service=svc", { PGSERVICEFILE: "HOME/nowhere.conf" }],
    ["service=only-system", { PGSERVICEFILE: "HOME/nowhere.conf" }],
  ];
  for (const [url, env = {}] of cases) {
    it(`${url ?? "nothing"} ${JSON.stringify(env)}`, async () => {
      const filled = url === undefined ? undefined : fill(url);
      const environment = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)]));
      assert.deepEqual(await ours(filled, environment), await psql(filled, environment));
    });
  }

  it("any database name, quoted or percent-encoded, is the same name to both", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("a", "B", " ", "'", "\\", "=", "/", "?", "&", "%", "+", "@", ":", "#", ",", "é", "\t"), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.constantFrom("uri", "raw", "quoted", "bare"),
        async (letters, form) => {
          const name = `x${letters.join("")}`;
          const url = {
            uri: `postgres://postgres@127.0.0.1:${server.port}/${encodeURIComponent(name)}`,
            raw: `postgres://postgres@127.0.0.1:${server.port}/${name}`,
            quoted: `host=127.0.0.1 port=${server.port} user=postgres dbname='${name.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`,
            bare: `host=127.0.0.1 port=${server.port} user=postgres dbname=${name}`,
          }[form];
          assert.deepEqual(await ours(url, {}), await psql(url, {}), url);
        },
      ),
      { numRuns: 80 },
    ));
});
