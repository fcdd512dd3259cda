import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { describeConnection } from "../../src/postgres/connect.ts";
import {
  type ConnectionSettings,
  type ConnectionSpec,
  resolveConnection,
  type Surroundings,
} from "../../src/postgres/resolve-connection.ts";

let dir = "";
let listener: Server;
before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "pghaul-resolve-"));
  writeFileSync(path.join(dir, ".pg_service.conf"), "[svc]\nhost=service-host\nuser=service-user\ndbname=service-db\nsslmode=require\n");
  writeFileSync(path.join(dir, "pg_service.conf"), "[sys]\nhost=system-host\n");
  writeFileSync(path.join(dir, "other.conf"), "[svc]\nhost=other-host\n");
  listener = createServer().listen(path.join(dir, ".s.PGSQL.5432"));
  await new Promise((resolve) => listener.once("listening", resolve));
});
after(() => {
  listener.close();
  rmSync(dir, { recursive: true });
});

function resolve(
  url: string | undefined,
  env: Record<string, string> = {},
  more: Partial<ConnectionSettings & Surroundings> = {},
): ConnectionSpec {
  const { home = dir, user = "os", socketDirs = [], ...settings } = more;
  return resolveConnection({ url, ...settings }, { env, home, user, socketDirs });
}

describe("precedence", () => {
  it("defaults: user of the system, database of that name, localhost, 5432, ten seconds", () => {
    const spec = resolve(undefined);
    assert.deepEqual(spec.hosts, [{ host: "localhost", port: 5432 }]);
    assert.deepEqual([spec.user, spec.database, spec.targetSessionAttrs, spec.connectTimeoutMillis], ["os", "os", "any", 10_000]);
  });
  it("environment over defaults", () => {
    const spec = resolve("", {
      PGHOST: "eh",
      PGPORT: "6543",
      PGUSER: "eu",
      PGDATABASE: "ed",
      PGAPPNAME: "app",
      PGOPTIONS: "-c a=b",
      PGCONNECT_TIMEOUT: "3",
      PGTARGETSESSIONATTRS: "standby",
    });
    assert.deepEqual(spec.hosts, [{ host: "eh", port: 6543 }]);
    assert.deepEqual(
      [spec.user, spec.database, spec.applicationName, spec.options, spec.connectTimeoutMillis, spec.targetSessionAttrs],
      ["eu", "ed", "app", "-c a=b", 3000, "standby"],
    );
  });
  it("service over environment", () => {
    const spec = resolve("service=svc", { PGHOST: "eh", PGUSER: "eu", PGPORT: "7" });
    assert.deepEqual(
      [spec.hosts, spec.user, spec.database, spec.sslmode],
      [[{ host: "service-host", port: 7 }], "service-user", "service-db", "require"],
    );
  });
  it("string over service, and PGSERVICE names one too", () => {
    const spec = resolve("postgres://su@/sd", { PGSERVICE: "svc" });
    assert.deepEqual([spec.hosts[0]?.host, spec.user, spec.database], ["service-host", "su", "sd"]);
  });
  it("PGSERVICEFILE and PGSYSCONFDIR", () => {
    assert.equal(resolve("service=svc", { PGSERVICEFILE: path.join(dir, "other.conf") }).hosts[0]?.host, "other-host");
    assert.equal(resolve("service=sys", { PGSYSCONFDIR: dir }).hosts[0]?.host, "system-host");
    assert.equal(resolve("service=sys", { PGSYSCONFDIR: dir }, { home: undefined as never }).hosts[0]?.host, "system-host");
  });
  it("an unknown service is an error, even when everything else is given", () =>
    assert.throws(() => resolve("service=nope host=h", { PGSYSCONFDIR: dir }), {
      code: "CONNECTION_STRING_INVALID",
      message: /"nope" is not defined/,
    }));
  it("the database defaults to the user, whoever names it", () => assert.equal(resolve("user=u").database, "u"));
  it("an empty value is none", () =>
    assert.deepEqual([resolve("user='' dbname=''").user, resolve("", { PGUSER: "", PGHOST: "" }).hosts[0]?.host], ["os", "localhost"]));
  it("the configuration's target_session_attrs: under the string, over the environment", () => {
    const more = { targetSessionAttrs: "primary" } as const;
    assert.equal(resolve("host=h", { PGTARGETSESSIONATTRS: "any" }, more).targetSessionAttrs, "primary");
    assert.equal(resolve("target_session_attrs=read-only", {}, more).targetSessionAttrs, "read-only");
  });
  it("fallback_application_name only where no other is given", () => {
    assert.equal(resolve("fallback_application_name=f").applicationName, "f");
    assert.equal(resolve("fallback_application_name=f", { PGAPPNAME: "e" }).applicationName, "e");
  });
  it("without any user name there is an error, and none is invented", () =>
    assert.throws(
      () => resolveConnection({ url: "host=h" }, { env: {}, home: undefined, user: undefined, socketDirs: [] }),
      /no user name/,
    ));
  it("the surroundings of the process itself are the default", () => assert.ok(resolveConnection({ url: "host=h" }).user.length > 0));
});

describe("hosts", () => {
  for (const [url, expected] of [
    [
      "postgres://h1:1,h2:2/d",
      [
        { host: "h1", port: 1 },
        { host: "h2", port: 2 },
      ],
    ],
    [
      "host=h1,h2 port=5",
      [
        { host: "h1", port: 5 },
        { host: "h2", port: 5 },
      ],
    ],
    [
      "host=h1,h2 port=5,",
      [
        { host: "h1", port: 5 },
        { host: "h2", port: 5432 },
      ],
    ],
    [
      "host=h1,,h3",
      [
        { host: "h1", port: 5432 },
        { host: "localhost", port: 5432 },
        { host: "h3", port: 5432 },
      ],
    ],
    ["hostaddr=10.0.0.1", [{ host: "10.0.0.1", port: 5432, hostaddr: "10.0.0.1" }]],
    [
      "host=n1,n2 hostaddr=10.0.0.1,10.0.0.2",
      [
        { host: "n1", port: 5432, hostaddr: "10.0.0.1" },
        { host: "n2", port: 5432, hostaddr: "10.0.0.2" },
      ],
    ],
    [
      "host=n1,n2 hostaddr=10.0.0.1,",
      [
        { host: "n1", port: 5432, hostaddr: "10.0.0.1" },
        { host: "n2", port: 5432 },
      ],
    ],
    ["host=/run/x port=7", [{ host: "/run/x", port: 7 }]],
    ["postgres://[::1]:7/d", [{ host: "::1", port: 7 }]],
    ["port=' 77 '", [{ host: "localhost", port: 77 }]],
  ] as const)
    it(url, () => assert.deepEqual(resolve(url).hosts, expected));

  it("finds the socket of the port when no host is named", () => {
    assert.deepEqual(resolve("", {}, { socketDirs: ["/nonexistent", dir] }).hosts, [{ host: dir, port: 5432 }]);
    assert.deepEqual(resolve("port=5433", {}, { socketDirs: [dir] }).hosts, [{ host: "localhost", port: 5433 }]);
  });

  for (const [url, message] of [
    ["host=a,b port=1,2,3", /2 hosts but 3 ports/],
    ["host=a,b hostaddr=10.0.0.1", /2 hosts but 1 addresses/],
    ["postgres://h:x/d", /port of host 1/],
    ["postgres://h,h:70000/d", /port of host 2/],
    ["port=0", /port of host 1/],
    ["port=-1", /port of host 1/],
  ] as const)
    it(`refuses ${url}`, () => assert.throws(() => resolve(url), { code: "CONNECTION_STRING_INVALID", message }));
});

describe("values that are not in libpq's lists", () => {
  for (const [url, message] of [
    ["sslmode=no-verify", /sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full/],
    ["target_session_attrs=master", /target_session_attrs must be one of/],
    ["load_balance_hosts=yes", /load_balance_hosts must be one of/],
    ["sslnegotiation=fast", /sslnegotiation must be/],
    ["connect_timeout=soon", /whole number/],
    ["ssl_min_protocol_version=SSLv3", /ssl_min_protocol_version must be/],
    ["gssencmode=require", /gssencmode=require is not supported/],
    ["require_auth=scram-sha-256", /require_auth is not supported/],
    ["sslcertmode=require", /not supported/],
  ] as const)
    it(url, () => assert.throws(() => resolve(url), { code: "CONNECTION_STRING_INVALID", message }));

  it("ignores what has no bearing here", () =>
    assert.ok(
      resolve(
        "gssencmode=prefer krbsrvname=x sslcompression=1 tcp_user_timeout=5 client_encoding=latin1 keepalives_count=3 replication=false",
      ),
    ));
});

describe("times", () => {
  it("zero and less wait for ever", () =>
    assert.deepEqual(
      ["connect_timeout=0", "connect_timeout=-1"].map((url) => resolve(url).connectTimeoutMillis),
      [undefined, undefined],
    ));
  it("keepalives", () =>
    assert.deepEqual(
      ["", "keepalives=0", "keepalives_idle=5", "keepalives=1"].map((url) => resolve(url).keepaliveIdleMillis),
      [60_000, undefined, 5000, 60_000],
    ));
});

describe("one password source", () => {
  it("refuses two", () => {
    assert.throws(() => resolve("postgres://u:p@h/d", {}, { passwordFile: "/f" }), /more than one password source/);
    assert.throws(() => resolve("postgres://u@h/d", {}, { passwordFile: "/f", rdsIam: { region: "r" } }), /more than one password source/);
  });
  it("but PGPASSWORD beside an explicit one is no contradiction", () =>
    assert.equal(resolve("postgres://u@h/d", { PGPASSWORD: "x" }, { passwordFile: "/f" }).password.kind, "file"));
});

describe("describeConnection", () => {
  for (const [url, expected] of [
    ["postgres://u:secret@db.example.com/d", "u@db.example.com:5432/d (verify-full)"],
    ["postgres://u:secret@db.example.com/d?sslmode=disable", "u@db.example.com:5432/d (disable)"],
    ["postgres://u:secret@localhost,[2001:db8::1]:7/d", "u@localhost:5432,[2001:db8::1]:7/d (prefer, verify-full)"],
    ["postgres://u:secret@/d?host=/run/pg", "u@/run/pg:5432/d (socket)"],
  ] as const)
    it(expected, () => assert.equal(describeConnection(resolve(url)), expected));
});
