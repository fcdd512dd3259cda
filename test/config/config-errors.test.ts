import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load-config.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { MINIMAL, temporaryFiles } from "./temporary-config.ts";

interface Case {
  readonly name: string;
  readonly text: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly code?: string;
  /** Lines of the message, without the file's name. */
  readonly expected: readonly string[];
}

const HEAD = "version: 1\nmigration: orders-move\n";
const SOURCE = 'source: { url: "postgresql://s/a" }\n';
const TARGET = 'target: { kind: postgres, url: "postgresql://t/a" }\n';

const cases: readonly Case[] = [
  // keys
  {
    name: "a mistyped key",
    text: `${HEAD}source: { ulr: "x", url: "postgresql://s/a" }\n${TARGET}`,
    expected: [":3:11: source.ulr: unknown key; did you mean url?"],
  },
  { name: "a mistyped key at the top", text: `${MINIMAL}throtle: {}\n`, expected: [":5:1: throtle: unknown key; did you mean throttle?"] },
  {
    name: "an unknown key that resembles none",
    text: `${MINIMAL}state: { password: hunter2 }\n`,
    expected: [":5:10: state.password: unknown key; known here are dir, s3, endpoint, region, pathStyle"],
  },
  {
    name: "a key of another target kind",
    text: `${HEAD}${SOURCE}target: { kind: postgres, url: "postgresql://t/a", shards: [] }\n`,
    expected: [
      ":4:52: target.shards: unknown key; known here are kind, url, urlFile, passwordFile, passwordCommand, rdsIam, schema, owners, privileges",
    ],
  },
  {
    name: "an unknown key in an override",
    text: `${MINIMAL}tables:\n  overrides:\n    public.a: { chunkByte: 1MB }\n`,
    expected: [":7:17: tables.overrides.public.a.chunkByte: unknown key; did you mean chunkBytes?"],
  },
  {
    name: "an unknown key in a list",
    text: `${MINIMAL}cutover:\n  routing:\n    - kind: hook\n      command: [a]\n      timout: 3s\n`,
    expected: [":9:7: cutover.routing[0].timout: unknown key; did you mean timeout?"],
  },
  // missing
  {
    name: "an empty file",
    text: "",
    expected: [":1:1: version: is missing", ":1:1: migration: is missing", ":1:1: source: is missing", ":1:1: target: is missing"],
  },
  { name: "no migration", text: `version: 1\n${SOURCE}${TARGET}`, expected: [":1:1: migration: is missing"] },
  { name: "a section with nothing in it", text: `${HEAD}source:\n${TARGET}`, expected: [":3:1: source: must be a mapping, not empty"] },
  {
    name: "no kind",
    text: `${HEAD}${SOURCE}target: { url: "postgresql://t/a" }\n`,
    expected: [":4:1: target.kind: is missing; it is one of postgres, file, aurora, sharded, snowflake, iceberg"],
  },
  {
    name: "no connection string",
    text: `${HEAD}source: { passwordFile: /p }\n${TARGET}`,
    expected: [":3:1: source: needs either url or urlFile"],
  },
  {
    name: "two connection strings",
    text: `${HEAD}source: { url: "postgresql://s/a", urlFile: b }\n${TARGET}`,
    expected: [":3:1: source: needs either url or urlFile"],
  },
  {
    name: "two passwords",
    text: `${HEAD}source: { url: "postgresql://s/a", passwordFile: /p, rdsIam: { region: r } }\n${TARGET}`,
    expected: [":3:1: source: has passwordFile and rdsIam; set only one of them"],
  },
  // values
  { name: "another version", text: MINIMAL.replace("version: 1", "version: 2"), expected: [":1:1: version: must be 1"] },
  { name: "a number for a name", text: MINIMAL.replace("orders-move", "42"), expected: [":2:1: migration: must be a text, not a number"] },
  {
    name: "a name that no slot could have",
    text: MINIMAL.replace("orders-move", "Orders Move"),
    expected: [
      ":2:1: migration: must start with a lower-case letter and contain only lower-case letters, digits, - and _, at most 40 in all",
    ],
  },
  {
    name: "a mistyped kind",
    text: MINIMAL.replace("kind: postgres", "kind: postgers"),
    expected: [":4:11: target.kind: must be one of postgres, file, aurora, sharded, snowflake, iceberg; did you mean postgres?"],
  },
  {
    name: "a mistyped choice",
    text: MINIMAL.replace("kind: postgres,", "kind: postgres, schema: moved,"),
    expected: [":4:27: target.schema: must be one of move, existing; did you mean move?"],
  },
  { name: "no workers", text: `${MINIMAL}throttle:\n  workers: 0\n`, expected: [":6:3: throttle.workers: must be at least 1"] },
  { name: "too many workers", text: `${MINIMAL}throttle:\n  workers: 65\n`, expected: [":6:3: throttle.workers: must be at most 64"] },
  {
    name: "half a worker",
    text: `${MINIMAL}throttle:\n  workers: 1.5\n`,
    expected: [":6:3: throttle.workers: must be a whole number, not a fraction"],
  },
  {
    name: "a text for a number",
    text: `${MINIMAL}throttle: { chunkSeconds: fast }\n`,
    expected: [":5:13: throttle.chunkSeconds: must be a number, not a text"],
  },
  {
    name: "no time at all",
    text: `${MINIMAL}throttle: { maxReplicaLagSeconds: 0 }\n`,
    expected: [":5:13: throttle.maxReplicaLagSeconds: must be more than 0"],
  },
  {
    name: "a size without a unit that is known",
    text: `${MINIMAL}throttle: { maxSlotBytes: 50G }\n`,
    expected: [':5:13: throttle.maxSlotBytes: must be a size such as "64MB"'],
  },
  {
    name: "a size of nothing",
    text: `${MINIMAL}log: { segmentBytes: 0MB }\n`,
    expected: [':5:8: log.segmentBytes: must be a size such as "64MB"'],
  },
  {
    name: "a size that is a fraction",
    text: `${MINIMAL}log: { segmentBytes: 1.5 }\n`,
    expected: [':5:8: log.segmentBytes: must be a size such as "64MB"'],
  },
  {
    name: "a size that is a list",
    text: `${MINIMAL}log: { segmentBytes: [1] }\n`,
    expected: [':5:8: log.segmentBytes: must be a size such as "64MB"'],
  },
  {
    name: "a duration without a unit",
    text: `${MINIMAL}cutover: { soak: 24 }\n`,
    expected: [':5:12: cutover.soak: must be a duration such as "3s", "5min" or "24h"'],
  },
  {
    name: "a duration in weeks",
    text: `${MINIMAL}cutover: { soak: 2w }\n`,
    expected: [':5:12: cutover.soak: must be a duration such as "3s", "5min" or "24h"'],
  },
  {
    name: "hours without a zone",
    text: `${MINIMAL}throttle: { businessHours: "Mon-Fri 08:00-20:00" }\n`,
    expected: [':5:13: throttle.businessHours: must be days, hours and a time zone, such as "Mon-Fri 08:00-20:00 Europe/Berlin"'],
  },
  {
    name: "a table without a schema",
    text: `${MINIMAL}tables: { include: [public.a, orders] }\n`,
    expected: [':5:31: tables.include[1]: must be SCHEMA.TABLE, where * stands for any text, e.g. "public.*"'],
  },
  { name: "an empty list of tables", text: `${MINIMAL}tables: { include: [] }\n`, expected: [":5:11: tables.include: must not be empty"] },
  {
    name: "a text for a list",
    text: `${MINIMAL}tables: { include: "public.*" }\n`,
    expected: [":5:11: tables.include: must be a list, not a text"],
  },
  {
    name: "reads that fall",
    text: `${MINIMAL}cutover: { reads: [50, 10] }\n`,
    expected: [":5:12: cutover.reads: must rise from entry to entry"],
  },
  {
    name: "reads over the top",
    text: `${MINIMAL}cutover: { reads: [50, 110] }\n`,
    expected: [":5:24: cutover.reads[1]: must be at most 100"],
  },
  {
    name: "a bucket without its scheme",
    text: `${MINIMAL}state: { s3: bucket }\n`,
    expected: [':5:10: state.s3: must be "s3://BUCKET/PREFIX"'],
  },
  { name: "a list for a file", text: "- a\n", expected: [":1:1: must be a mapping, not a list"] },
  {
    name: "several faults, in the order of the file",
    text: `${HEAD}${SOURCE}${TARGET}cutover: { maxStal: 3s }\nthrottle: { workers: x }\n`,
    expected: [":5:12: cutover.maxStal: unknown key; did you mean maxStall?", ":6:13: throttle.workers: must be a number, not a text"],
  },
  // environment
  {
    name: "variables that are not set",
    code: "CONFIG_ENV_MISSING",
    text: `${HEAD}source:\n  url: "\${SOURCE_URL}"\ntarget:\n  kind: postgres\n  url: host=\${HOST} password=\${PW}\n`,
    environment: { HOST: "h", PW: "" },
    expected: [
      ":4:3: source.url: the environment variable SOURCE_URL is not set",
      ":7:3: target.url: the environment variable PW is empty",
    ],
  },
  {
    name: "half a reference",
    text: `${HEAD}source: { url: "\${SOURCE-URL}" }\n${TARGET}`,
    expected: [":3:11: source.url: ${ must be followed by a name and }; write $${ for a literal ${"],
  },
  // syntax
  {
    name: "a quote that never ends",
    text: `${HEAD}source: { url: "hunter2\n`,
    expected: [':4:1: something is missing: a quote, a bracket, a comma or a colon. Inside {...} write "${NAME}" with quotes'],
  },
  {
    name: "a reference without quotes inside braces",
    text: `${HEAD}source: { url: \${SOURCE_URL} }\n${TARGET}`,
    expected: [':3:17: something unexpected. Inside {...} write "${NAME}" with quotes'],
  },
  { name: "a tab", text: `${HEAD}source:\n\turl: hunter2\n`, expected: [":4:1: a tab as indentation; use spaces"] },
  { name: "a key twice", text: `${MINIMAL}migration: again\n`, expected: [":5:1: a key that stands here twice"] },
  {
    name: "a password that looks like an alias",
    text: `${HEAD}source:\n  url: *hunter2\n`,
    expected: [":4:8: an alias (*) that no anchor (&) explains; put quotes around a text that begins with *"],
  },
  {
    name: "aliases that multiply without end",
    text: `a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [${"*a, ".repeat(10)}]\nc: &c [${"*b, ".repeat(10)}]\nd: [${"*c, ".repeat(10)}]\n`,
    expected: [":1:1: more aliases than a configuration needs"],
  },
  {
    name: "a password that begins with @",
    text: `${HEAD}source:\n  url: @hunter2\n`,
    expected: [":4:8: text that begins with a reserved character; put quotes around it"],
  },
  { name: "two documents", text: `${MINIMAL}---\na: 1\n`, expected: [":5:1: a second document; the file holds one"] },
  { name: "wrong indentation", text: `${HEAD}source:\n    url: a\n  urlFile: b\n`, expected: [":5:1: wrong indentation"] },
  // connection strings and files
  {
    name: "an unreadable file",
    text: `${HEAD}source: { urlFile: /nowhere/url }\n${TARGET}`,
    expected: [":3:11: source.urlFile: the file /nowhere/url cannot be read (ENOENT)"],
  },
  {
    name: "an empty url file",
    text: `${HEAD}source: { urlFile: /dev/null }\n${TARGET}`,
    expected: [":3:11: source.urlFile: the file /dev/null is empty"],
  },
  // not yet
  {
    name: "another target",
    text: `${HEAD}${SOURCE}target: { kind: snowflake, url: "x" }\n`,
    expected: [":4:11: target.kind: the target kind snowflake is not yet available in this version"],
  },
  {
    name: "shards",
    text: `${HEAD}${SOURCE}target: { kind: sharded, shards: [ { name: a, url: "postgresql://t/a" } ] }\n`,
    expected: [":4:11: target.kind: the target kind sharded is not yet available in this version"],
  },
  {
    name: "a standby to read from",
    text: `${HEAD}source: { url: "postgresql://s/a", replicaUrl: "postgresql://r/a" }\n${TARGET}`,
    expected: [":3:36: source.replicaUrl: reading from a standby is not yet available in this version"],
  },
  {
    name: "one read for a table with a key",
    text: `${MINIMAL}tables:\n  overrides:\n    public.a: { strategy: key }\n    public.b: { strategy: whole }\n`,
    expected: [
      ":8:17: tables.overrides.public.b.strategy: reading a table that has a key in one snapshot is not yet available in this version",
    ],
  },
  {
    name: "reads in stages",
    text: `${MINIMAL}cutover: { reads: [10, 50, 100], soak: 24h }\n`,
    expected: [
      ":5:12: cutover.reads: moving reads in stages is not yet available in this version",
      ":5:34: cutover.soak: moving reads in stages is not yet available in this version",
    ],
  },
  {
    name: "all that is to come",
    text: `${MINIMAL}state: { s3: "s3://bucket/prefix", region: eu }\ncolumns: { public.cards.pan: { tokenize: { key: k } } }\ncutover:\n  routing:\n    - { kind: hook, command: [a] }\n    - { kind: pgbouncer, admin: a, config: b }\n    - { kind: haproxy, socket: a, backend: b }\n    - { kind: envoy, admin: a, config: b }\n`,
    expected: [
      ":5:10: state.s3: a copy of the state in a bucket is not yet available in this version",
      ":5:36: state.region: a copy of the state in a bucket is not yet available in this version",
      ":6:12: columns.public.cards.pan: changing columns on the way is not yet available in this version",
      ":10:9: cutover.routing[1].kind: routing by pgbouncer is not yet available in this version",
      ":11:9: cutover.routing[2].kind: routing by haproxy is not yet available in this version",
      ":12:9: cutover.routing[3].kind: routing by envoy is not yet available in this version",
    ],
  },
];

for (const { name, text, environment, code, expected } of cases) {
  test(`refused: ${name}`, (t) => {
    const file = path.join(temporaryFiles(t, { "pghaul.yaml": text }), "pghaul.yaml");
    assert.throws(
      () => loadConfig({ file, environment: environment ?? {} }),
      (error) => {
        assert.ok(error instanceof PghaulError, String(error));
        assert.deepEqual(
          error.message.split("\n").map((line) => line.replace(file, "")),
          expected,
        );
        assert.equal(error.code, code ?? "CONFIG_INVALID");
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  });
}

test("refused: a connection string that cannot be understood, with its place and without its text", (t) => {
  const file = path.join(
    temporaryFiles(t, { "pghaul.yaml": `${HEAD}source: { url: "postgresql://app:hunter2%zz@s/a" }\n${TARGET}` }),
    "pghaul.yaml",
  );
  assert.throws(
    () => loadConfig({ file, environment: {} }),
    (error) => {
      assert.ok(error instanceof PghaulError);
      assert.equal(error.code, "CONNECTION_STRING_INVALID");
      assert.ok(error.message.startsWith(`${file}:3:11: source.url: the connection string `), error.message);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    },
  );
});

test("no file: says where it was looked for and what to do", (t) => {
  const file = path.join(temporaryFiles(t, {}), "pghaul.yaml");
  assert.throws(() => loadConfig({ file }), {
    code: "CONFIG_NOT_FOUND",
    message: `there is no configuration file ${file}`,
    suggestion: "pghaul init",
  });
  assert.throws(() => loadConfig({ file: path.dirname(file) }), {
    code: "CONFIG_NOT_FOUND",
    message: `the configuration file ${path.dirname(file)} cannot be read (EISDIR)`,
  });
});
