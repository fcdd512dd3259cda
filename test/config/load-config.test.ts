import assert from "node:assert/strict";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { Config } from "../../src/config/config.ts";
import { configDigest } from "../../src/config/config-digest.ts";
import { loadConfig, loadStateLocation } from "../../src/config/load-config.ts";
import { redact } from "../../src/observe/redact.ts";
import { MINIMAL, postgresOf, temporaryFiles } from "./temporary-config.ts";

function load(t: TestContext, text: string, environment: Record<string, string> = {}, files: Record<string, string> = {}): Config {
  const directory = temporaryFiles(t, { "pghaul.yaml": text, ...files });
  return loadConfig({ file: path.join(directory, "pghaul.yaml"), environment });
}

test("the smallest file gets every default", (t) => {
  const { file, ...config } = load(t, MINIMAL);
  assert.deepEqual(config, {
    migration: "orders-move",
    source: { connection: { url: "postgresql://app@source/orders" } },
    target: { kind: "postgres", connection: { url: "postgresql://app@target/orders" }, schema: "move", owners: "keep", privileges: "keep" },
    tables: { include: ["*.*"], exclude: [], overrides: {} },
    state: { dir: path.join(path.dirname(file), ".pghaul"), bucket: null },
    throttle: { workers: 4, chunkSeconds: 3, chunkBytes: 16 * 2 ** 20, maxReplicaLagSeconds: 10, maxSlotBytes: 50 * 2 ** 30 },
    log: { segmentBytes: 64 * 2 ** 20, retain: 0 },
    verify: { maxWait: 600_000 },
    cutover: {
      maxStall: 250,
      sequenceMargin: 1000,
      deadlines: {},
      routing: [],
      gates: {
        maxLagBytes: 16 * 2 ** 20,
        maxLagSeconds: 5,
        lagHeldFor: 30_000,
        noErrorsFor: 600_000,
        maxTransactionAge: 5_000,
        verifiedWithin: 86_400_000,
        notNeeded: [],
      },
    },
  });
});

test("the contract's own example loads, but for what this version cannot do yet", (t) => {
  const config = load(
    t,
    `version: 1
migration: orders-move                 # the name that confirmations ask for
source: { url: "\${SOURCE_URL}" }
target: { kind: postgres, url: "\${TARGET_URL}" }
tables: { include: ["public.*"], exclude: ["public.tmp_*"] }
state: { dir: .pghaul }
throttle: { workers: 4, chunkSeconds: 3, maxReplicaLagSeconds: 10, maxSlotBytes: 50GB, businessHours: "Mon-Fri 08:00-20:00 Europe/Berlin" }
cutover: { maxStall: 250ms, routing: [ { kind: hook, command: [./switch, --now], timeout: 3s }, { kind: document, file: route.json } ], gates: { } }
`,
    { SOURCE_URL: "postgresql://s/a", TARGET_URL: "host=t dbname=b" },
  );
  assert.equal(config.source.connection.url, "postgresql://s/a");
  assert.equal(postgresOf(config).connection.url, "host=t dbname=b");
  assert.deepEqual(config.throttle.businessHours, { days: [1, 2, 3, 4, 5], fromMinute: 480, toMinute: 1200, zone: "Europe/Berlin" });
  assert.deepEqual(config.cutover.routing, [
    { kind: "hook", command: ["./switch", "--now"], timeout: 3_000 },
    { kind: "document", file: path.join(path.dirname(config.file), "route.json") },
  ]);
});

test("references reach into texts, lists and numbers; $${ is a literal; keys and comments are left alone", (t) => {
  const config = load(
    t,
    `version: \${V}
migration: "\${NAME}-move"
source: { url: "host=s password='$\${x' dbname=\${DB}" }
target:
  kind: postgres
  url: \${TARGET_URL}   # not \${THIS}
  passwordCommand: [vault, "\${PATH_IN_VAULT}"]
throttle: { workers: 8 }
cutover: { routing: [ { kind: hook, command: ["\${NUMBER}"] } ] }
`,
    { V: "1", NAME: "orders", DB: "orders", TARGET_URL: "host=t options='# no comment'", PATH_IN_VAULT: "a b", NUMBER: "7" },
  );
  assert.equal(config.migration, "orders-move");
  assert.equal(config.source.connection.url, "host=s password='${x' dbname=orders");
  assert.equal(postgresOf(config).connection.url, "host=t options='# no comment'");
  assert.deepEqual(postgresOf(config).connection.passwordCommand, ["vault", "a b"]);
  assert.deepEqual(config.cutover.routing[0], { kind: "hook", command: ["7"], timeout: 10_000 });
});

test("a variable cannot add keys", (t) => {
  const config = load(t, `${MINIMAL}cutover: { routing: [ { kind: hook, command: ["\${ARGUMENT}"] } ] }\n`, {
    ARGUMENT: 'a"], timeout: 1s }]\nthrottle: { workers: 9 }\n',
  });
  assert.deepEqual(config.cutover.routing, [
    { kind: "hook", command: ['a"], timeout: 1s }]\nthrottle: { workers: 9 }\n'], timeout: 10_000 },
  ]);
  assert.equal(config.throttle.workers, 4);
});

test("a connection string from a file: its first line, found from the configuration's folder", (t) => {
  const config = load(
    t,
    `version: 1
migration: orders
source: { urlFile: source.url, passwordFile: secrets/source }
target: { kind: postgres, urlFile: target.url, rdsIam: { region: eu-central-1 }, schema: existing, owners: drop }
`,
    {},
    { "source.url": "postgresql://s/a\n# a remark\n", "target.url": "  postgresql://t/b  " },
  );
  const folder = path.dirname(config.file);
  assert.deepEqual(config.source.connection, { url: "postgresql://s/a", passwordFile: path.join(folder, "secrets/source") });
  assert.deepEqual(config.target, {
    kind: "postgres",
    connection: { url: "postgresql://t/b", rdsIam: { region: "eu-central-1" } },
    schema: "existing",
    owners: "drop",
    privileges: "keep",
  });
});

test("passwords are known to the redactor from the moment of loading, in any text", (t) => {
  load(t, MINIMAL.replace("app@source", "app:s3cr%40t-one@source").replace('url: "postgresql://app@target/orders"', 'url: "${T}"'), {
    T: "host=t password='second secret'",
  });
  assert.equal(redact("login failed for s3cr@t-one and second secret"), "login failed for [redacted] and [redacted]");
});

test("--state-dir stands above the file and counts from the current directory; state.dir counts from the file", (t) => {
  const directory = temporaryFiles(t, { "pghaul.yaml": `${MINIMAL}state: { dir: ../elsewhere }\n` });
  const file = path.join(directory, "pghaul.yaml");
  assert.equal(loadConfig({ file, environment: {} }).state.dir, path.resolve(directory, "../elsewhere"));
  assert.equal(loadConfig({ file, stateDirectory: "here", environment: {} }).state.dir, path.resolve("here"));
});

test("local state is found without any secret being set, and even where the target's kind is not available", (t) => {
  const text = MINIMAL.replace("postgresql://app@source/orders", "${SOURCE_URL}").replace("kind: postgres", "kind: iceberg");
  const directory = temporaryFiles(t, { "pghaul.yaml": text, "by-name.yaml": `${MINIMAL}state: { dir: "\${DIR}" }\n` });
  assert.deepEqual(loadStateLocation({ file: path.join(directory, "pghaul.yaml"), environment: {} }), {
    migration: "orders-move",
    directory: path.join(directory, ".pghaul"),
    kind: "iceberg",
  });
  const byName = path.join(directory, "by-name.yaml");
  assert.throws(() => loadStateLocation({ file: byName, environment: {} }), { code: "CONFIG_ENV_MISSING" });
  assert.equal(loadStateLocation({ file: byName, environment: { DIR: "/data" } }).directory, "/data");
  assert.equal(loadStateLocation({ file: byName, stateDirectory: "/mine", environment: {} }).directory, "/mine");
});

test("the digest ignores passwords and this machine's paths, and nothing else", (t) => {
  const digest = (text: string) => configDigest(load(t, text));
  const first = digest(MINIMAL);
  assert.match(first, /^[0-9a-f]{64}$/);
  assert.equal(digest(MINIMAL), first);
  assert.equal(digest(MINIMAL.replace("app@source", "app:secret@source")), first);
  assert.equal(digest(MINIMAL.replace('orders" }\n', 'orders", passwordFile: /run/secret }\n')), first);
  assert.equal(digest(`${MINIMAL}state: { dir: /other }\n`), first);
  for (const changed of [
    MINIMAL.replace("orders-move", "orders"),
    MINIMAL.replace("@source", "@source2"),
    MINIMAL.replace("app@target", "other@target"),
    `${MINIMAL}throttle: { workers: 5 }\n`,
    `${MINIMAL}tables: { exclude: ["public.a"] }\n`,
    `${MINIMAL}cutover: { maxStall: 251ms }\n`,
  ])
    assert.notEqual(digest(changed), first, changed);
  const overrides = (a: string, b: string) => `${MINIMAL}tables: { overrides: { ${a}: { chunkBytes: 1MB }, ${b}: { chunkBytes: 1MB } } }\n`;
  assert.equal(digest(overrides("public.a", "public.b")), digest(overrides("public.b", "public.a")));
});
