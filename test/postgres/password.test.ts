import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { type PassfileKey, readPassfile } from "../../src/postgres/passfile.ts";
import { readPassword } from "../../src/postgres/password.ts";
import { type ConnectionSettings, resolveConnection } from "../../src/postgres/resolve-connection.ts";

let dir = "";
const at = (name: string) => path.join(dir, name);
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "pghaul-password-"));
});
after(() => rmSync(dir, { recursive: true }));

function write(name: string, text: string, mode = 0o600): string {
  writeFileSync(at(name), text);
  chmodSync(at(name), mode);
  return at(name);
}

const KEY: PassfileKey = { host: "h", port: 5432, database: "d", user: "u" };

describe("readPassfile", () => {
  const cases: readonly [string, string, Partial<PassfileKey>, string | undefined][] = [
    ["all five fields", "h:5432:d:u:pw", {}, "pw"],
    ["wildcards", "*:*:*:*:pw", {}, "pw"],
    ["first match wins", "h:5432:d:u:one\n*:*:*:*:two", {}, "one"],
    ["goes on to the next line", "other:5432:d:u:one\nh:5432:*:u:two\n", {}, "two"],
    ["another port", "h:5433:d:u:pw", {}, undefined],
    ["escaped colon and backslash in fields", "h:5432:a\\:b\\\\c:u:pw", { database: "a:b\\c" }, "pw"],
    ["escapes in the password", "h:5432:d:u:a\\:b\\\\c\\d", {}, "a:b\\cd"],
    ["the password ends at a bare colon", "h:5432:d:u:pw:rest", {}, "pw"],
    ["an escaped star is a star", "h:5432:d:\\*:pw", {}, undefined],
    ["an escaped star matches a star", "h:5432:d:\\*:pw", { user: "*" }, "pw"],
    ["a comment", "#h:5432:d:u:pw\nh:5432:d:u:real", { host: "#h" }, undefined],
    ["a # inside", "h:5432:d:u:#pw", {}, "#pw"],
    ["blanks count", " h:5432:d:u:pw", {}, undefined],
    ["Windows line ends", "h:5432:d:u:pw\r\n", {}, "pw"],
    ["no newline at the end, lone backslash", "h:5432:d:u:pw\\", {}, "pw\\"],
    ["too few fields", "h:5432:d:u\n", {}, undefined],
    ["an empty field matches nothing", ":5432:d:u:pw", {}, undefined],
    ["an empty password", "h:5432:d:u:", {}, ""],
    ["an IPv6 host, escaped", "\\:\\:1:5432:d:u:pw", { host: "::1" }, "pw"],
  ];
  for (const [title, text, key, expected] of cases) {
    it(title, async () =>
      assert.deepEqual(
        await readPassfile(write("passfile", text), { ...KEY, ...key }),
        expected === undefined ? {} : { password: expected },
      ),
    );
  }

  for (const mode of [0o640, 0o604, 0o610, 0o601]) {
    it(`ignores mode ${mode.toString(8)} and says so`, async () => {
      const answer = await readPassfile(write("open", "*:*:*:*:pw", mode), KEY);
      assert.equal(answer.password, undefined);
      assert.match(answer.ignored ?? "", /group or others can read it/);
    });
  }
  it("takes mode 400", async () => assert.equal((await readPassfile(write("mine", "*:*:*:*:pw", 0o400), KEY)).password, "pw"));
  it("takes a missing file for none", async () => assert.deepEqual(await readPassfile(at("nowhere"), KEY), {}));
  it("ignores what is no plain file", async () => {
    mkdirSync(at("folder"));
    assert.match((await readPassfile(at("folder"), KEY)).ignored ?? "", /not a plain file/);
  });
});

describe("readPassword", () => {
  const spec = (settings: Partial<ConnectionSettings>, env: Record<string, string> = {}, home?: string) =>
    resolveConnection({ url: "postgres://u@h/d", ...settings }, { env, home, user: "os", socketDirs: [] });
  const read = (...args: Parameters<typeof spec>) => {
    const resolved = spec(...args);
    return readPassword(resolved, resolved.hosts[0] as (typeof resolved.hosts)[0], "source");
  };
  const node = process.execPath;

  it("from the string, and a printed spec does not show it", async () => {
    const settings = { url: "postgres://u:hunter2@h/d?sslpassword=hunter3" };
    assert.equal(await read(settings), "hunter2");
    assert.ok(!/hunter/.test(JSON.stringify(spec(settings)) + String(spec(settings).password)));
  });
  it("from PGPASSWORD", async () => assert.equal(await read({}, { PGPASSWORD: "env" }), "env"));
  it("from a file, first line, read again each time", async () => {
    const settings = { passwordFile: write("secret", "one\nrest\n") };
    assert.equal(await read(settings, { PGPASSWORD: "loses" }), "one");
    write("secret", "two\r\n");
    assert.equal(await read(settings), "two");
  });
  it("from a command, without a shell, run again each time", async () => {
    const counter = write("counter", "");
    const script = `fs.appendFileSync(process.argv[1], "x"); console.log(fs.readFileSync(process.argv[1], "utf8") + process.argv[2]); console.log("rest")`;
    const settings = { passwordCommand: [node, "-e", script, counter, "$HOME;`id`"] };
    assert.equal(await read(settings), "x$HOME;`id`");
    assert.equal(await read(settings), "xx$HOME;`id`");
  });
  describe("as a token of RDS IAM", () => {
    const NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_EC2_METADATA_DISABLED"];
    const known = new Map(NAMES.map((name) => [name, process.env[name]]));
    // The SDK finds the machine's credentials by itself, wherever they are kept.
    const setting = (values: Record<string, string>): void => {
      for (const name of NAMES) delete process.env[name];
      Object.assign(
        process.env,
        { AWS_EC2_METADATA_DISABLED: "true", AWS_CONFIG_FILE: at("none"), AWS_SHARED_CREDENTIALS_FILE: at("none") },
        values,
      );
    };
    after(() => {
      for (const [name, value] of known) value === undefined ? delete process.env[name] : Object.assign(process.env, { [name]: value });
      delete process.env.AWS_CONFIG_FILE;
      delete process.env.AWS_SHARED_CREDENTIALS_FILE;
    });

    it("signed for host, port and user, and anew for each connection: it is good for 15 minutes", async (t) => {
      setting({ AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "s3cret-key" });
      t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 10, 21, 3, 0, 0) });
      const settings = { url: "postgres://mover@db.example:6432/d", rdsIam: { region: "eu-central-1" } };
      const token = await read(settings);
      assert.match(token, /^db\.example:6432\/\?/);
      const query = new URL(`https://${token}`).searchParams;
      assert.deepEqual(
        ["Action", "DBUser", "X-Amz-Expires", "X-Amz-Date", "X-Amz-Credential"].map((name) => query.get(name)),
        ["connect", "mover", "900", "20261121T030000Z", "AKIDEXAMPLE/20261121/eu-central-1/rds-db/aws4_request"],
      );
      assert.ok(!token.includes("s3cret-key"));
      t.mock.timers.setTime(Date.UTC(2026, 10, 21, 3, 20, 0));
      assert.equal(new URL(`https://${await read(settings)}`).searchParams.get("X-Amz-Date"), "20261121T032000Z");
    });

    it("without credentials it is our error, of the side", async () => {
      setting({});
      await assert.rejects(
        read({ rdsIam: { region: "eu-central-1" } }),
        (error) => error instanceof PghaulError && error.code === "SOURCE_AUTH" && /no IAM token for u: .*credentials/.test(error.message),
      );
    });
  });

  it("from the password file of the home directory, by host, port, database and user", async () => {
    write(".pgpass", "h:5432:d:other:no\nh:5432:d:u:yes\n");
    assert.equal(await read({}, {}, dir), "yes");
  });
  it("from PGPASSFILE instead", async () =>
    assert.equal(await read({}, { PGPASSFILE: write("elsewhere", "*:*:*:*:there") }, dir), "there"));
  it("files the default socket directory under localhost", async () => {
    const file = write("sockets", "localhost:5432:d:u:local\n/tmp:5432:d:u:never\n/srv:5432:d:u:srv");
    for (const [host, expected] of [
      ["/tmp", "local"],
      ["/var/run/postgresql", "local"],
      ["localhost", "local"],
      ["/srv", "srv"],
    ] as const) {
      assert.equal(await read({ url: `host=${host} dbname=d user=u passfile=${file}` }), expected);
    }
  });
  const refusals: readonly [string, () => Promise<string>, RegExp][] = [
    ["nothing anywhere", () => read({}), /none was found$/],
    ["no home directory", () => read({}, {}, undefined), /none was found$/],
    [
      "an open password file",
      () => read({}, { PGPASSFILE: write("open", "*:*:*:*:pw", 0o644) }),
      /none was found: the password file .* is ignored/,
    ],
    ["a missing file", () => read({ passwordFile: at("nowhere") }), /cannot be read \(ENOENT\)/],
    ["an empty file", () => read({ passwordFile: write("empty", "\n") }), /is empty/],
    [
      "a failing command",
      () => read({ passwordCommand: [node, "-e", "console.log('pr1vate'); console.error('pr1vate'); process.exit(7)", "pr1vate"] }),
      /failed \(exit 7\)/,
    ],
    ["a missing command", () => read({ passwordCommand: [at("nowhere")] }), /failed \(exit ENOENT\)/],
    ["a silent command", () => read({ passwordCommand: [node, "-e", ""] }), /printed nothing/],
  ];
  for (const [title, run, message] of refusals) {
    it(`says: ${title}`, () =>
      assert.rejects(run, (error: Error & { code: string }) => {
        assert.equal(error.code, "SOURCE_AUTH");
        assert.match(error.message, message);
        assert.ok(!`${error.message}${error.stack}${String(error.cause)}`.includes("pr1vate"));
        return true;
      }));
  }
});
