import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { CONNINFO_PARAMETERS, parseConninfo } from "../../src/postgres/parse-conninfo.ts";
import { resolveConnection } from "../../src/postgres/resolve-connection.ts";

const ACCEPTED: readonly [string, Record<string, string>][] = [
  // URIs: the manual's own examples first.
  ["postgresql://", {}],
  ["postgresql://localhost", { host: "localhost" }],
  ["postgresql://localhost:5433", { host: "localhost", port: "5433" }],
  ["postgresql://localhost/mydb", { host: "localhost", dbname: "mydb" }],
  ["postgresql://user@localhost", { user: "user", host: "localhost" }],
  ["postgresql://user:secret@localhost", { user: "user", password: "secret", host: "localhost" }],
  [
    "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
    { user: "other", host: "localhost", dbname: "otherdb", connect_timeout: "10", application_name: "myapp" },
  ],
  [
    "postgresql://host1:123,host2:456/somedb?target_session_attrs=any&application_name=myapp",
    { host: "host1,host2", port: "123,456", dbname: "somedb", target_session_attrs: "any", application_name: "myapp" },
  ],
  ["postgresql:///mydb?host=localhost&port=5433", { dbname: "mydb", host: "localhost", port: "5433" }],
  [
    "postgresql://user@localhost:5433/mydb?options=-c%20synchronous_commit%3Doff",
    { user: "user", host: "localhost", port: "5433", dbname: "mydb", options: "-c synchronous_commit=off" },
  ],
  ["postgresql://[2001:db8::1234]/database", { host: "2001:db8::1234", dbname: "database" }],
  ["postgresql:///dbname?host=/var/lib/postgresql", { dbname: "dbname", host: "/var/lib/postgresql" }],
  ["postgresql://%2Fvar%2Flib%2Fpostgresql/dbname", { host: "/var/lib/postgresql", dbname: "dbname" }],
  ["postgres://u@h/d", { user: "u", host: "h", dbname: "d" }],
  ["postgres://h1,h2,[::1]:77/d", { host: "h1,h2,::1", port: ",,77", dbname: "d" }],
  ["postgres://us%40er:p%40ss%3A%2F%3F%23@h/d%20b", { user: "us@er", password: "p@ss:/?#", host: "h", dbname: "d b" }],
  ["postgres://u:p:q@h", { user: "u", password: "p:q", host: "h" }],
  ["postgres://:p@h", { password: "p", host: "h" }],
  ["postgres://u:@h/", { user: "u", host: "h" }],
  ["postgres://:5433", { port: "5433" }],
  ["postgres://h?sslmode=require", { host: "h", sslmode: "require" }],
  ["postgres://h/d?ssl=true", { host: "h", dbname: "d", sslmode: "require" }],
  ["postgres://h/d?password=a%26b%3Dc", { host: "h", dbname: "d", password: "a&b=c" }],
  ["postgres://u@h/d+e", { user: "u", host: "h", dbname: "d+e" }],
  ["postgres://h/caf%C3%A9", { host: "h", dbname: "café" }],
  // key=value
  ["", {}],
  ["   ", {}],
  ["host=localhost port=5432 dbname=mydb connect_timeout=10", { host: "localhost", port: "5432", dbname: "mydb", connect_timeout: "10" }],
  ["  host = h   user= 'a b'\tdbname ='it\\'s'\n", { host: "h", user: "a b", dbname: "it's" }],
  ["password='back\\\\slash' user=a\\ b", { password: "back\\slash", user: "a b" }],
  ["dbname=''", { dbname: "" }],
  ["dbname=", { dbname: "" }],
  ["user='a'dbname=b", { user: "a", dbname: "b" }],
  ["user=a'b", { user: "a'b" }],
  ["user=x user=y", { user: "y" }],
  ["password=a=b", { password: "a=b" }],
];

describe("parseConninfo accepts", () => {
  for (const [text, expected] of ACCEPTED) it(text, () => assert.deepEqual({ ...parseConninfo(text) }, expected));

  it("any value in quotes", () =>
    fc.assert(
      fc.property(fc.string(), (value) => {
        const quoted = `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
        assert.equal(parseConninfo(`password=${quoted} user=u`).password, value);
      }),
    ));

  it("any user and password percent-encoded", () =>
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (user, password) => {
        fc.pre(!(user + password).includes("\0"));
        const found = parseConninfo(`postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h:1/d`);
        assert.deepEqual({ ...found }, { user, password, host: "h", port: "1", dbname: "d" });
      }),
    ));
});

describe("parseConninfo refuses", () => {
  for (const [text, message] of [
    ["mydb", /neither a postgresql/],
    ["host localhost", /neither a postgresql/],
    ["host=h dbname", /neither a postgresql/],
    ["=x", /neither a postgresql/],
    ["mysql://h/d", /neither a postgresql/],
    ["user='open", /quote/],
    ["user='open\\'", /quote/],
    ["postgres://[::1/d", /host part/],
    ["postgres://[]/d", /host part/],
    ["postgres://[::1]x/d", /host part/],
    ["postgres://h/%zz", /hexadecimal/],
    ["postgres://h/%4", /hexadecimal/],
    ["postgres://h/a%00b", /%00/],
    ["postgres://h/%ff", /UTF-8/],
    ["postgres://h/d?sslmode", /name=value/],
    ["postgres://h/d?a=b=c", /name=value/],
    ["postgres://h/d?sslmod=require", /unknown parameter "sslmod"; did you mean "sslmode"\?/],
    ["hots=h", /unknown parameter "hots"; did you mean "host"\?/],
    ["postgres://h/d?schema=public", /does not know/],
  ] as const) {
    it(text, () =>
      assert.throws(
        () => parseConninfo(text),
        (error) => {
          assert.ok(error instanceof PghaulError);
          assert.equal(error.code, "CONNECTION_STRING_INVALID");
          assert.match(error.message, message);
          return true;
        },
      ),
    );
  }
});

describe("an error never shows a secret", () => {
  const secret = "s3cr3tpw";
  for (const text of [
    `postgres://u:${secret}`,
    `postgres://u:${secret}/x@h/d`,
    `postgres://u:a/b?${secret}=y@h/d`,
    `postgres://u:a/b?x=${secret}=y@h/d`,
    `postgres://u:%${secret}@h/d`,
    `postgres://h1,[${secret}/d`,
    `postgres://u@h/d?sslmode=${secret}`,
    `postgres://u@h/d?connect_timeout=${secret}`,
    `password=a ${secret}=x`,
    `password='${secret}`,
    `user=u ${secret}`,
    secret,
  ]) {
    it(text, () =>
      assert.throws(
        () => resolveConnection({ url: text }, { env: {}, home: undefined, user: "os", socketDirs: [] }),
        (error) => {
          assert.ok(error instanceof PghaulError);
          assert.ok(!`${error.message} ${error.suggestion} ${JSON.stringify(error.context)} ${error.stack}`.includes(secret));
          return true;
        },
      ),
    );
  }
});

it("knows each environment variable once", () => {
  const variables = Object.values(CONNINFO_PARAMETERS).flatMap((parameter) => ("env" in parameter ? [parameter.env] : []));
  assert.equal(new Set(variables).size, variables.length);
});
