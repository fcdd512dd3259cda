import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../src/config/load-config.ts";
import { postgresOf, temporaryFiles } from "../config/temporary-config.ts";
import { createDatabase, query, type TestDatabase } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { runCli } from "../support/run-cli.ts";
import { assertGolden } from "./golden.ts";

const TARGET = "postgresql://app@target.example/orders";
const PASSWORD = "init-s3cret";

let server: PgServer;
let database: TestDatabase;

before(async () => {
  server = await startServer({ version: 16, passwords: { app: PASSWORD } });
  database = await createDatabase(server, "orders");
  await createDatabase(server, "billing");
  await query(
    database,
    `
    create table public.orders (id bigint primary key, note text);
    create table public.items (id bigint primary key);
    create table public.tmp_a (id bigint primary key);
    create table public.scratch (a int);
    create unlogged table public.cache (id bigint primary key);
    insert into public.orders select n, repeat('x', 500) from generate_series(1, 2000) n;
    analyze;`,
  );
});
after(() => server[Symbol.asyncDispose]());

function withPassword(): string {
  return `postgresql://app:${PASSWORD}@127.0.0.1:${server.port}/orders`;
}

test("flags without a password: the file says what was given and what was seen, and loads", async (t) => {
  const directory = temporaryFiles(t, {});
  const args = [
    "init",
    "--source",
    database.url,
    "--target",
    TARGET,
    "--migration",
    "orders-move",
    "--tables",
    "public.orders",
    "--tables",
    "public.i*",
    "--json",
  ];
  const envelope = (await runCli(args, { cwd: directory })).json();
  const file = path.join(directory, "pghaul.yaml");
  assert.equal(envelope.ok, true);
  const { source, ...rest } = envelope.result;
  assert.deepEqual(rest, { file, migration: "orders-move", routed: false, missing: [] });
  const { version, bytes, otherDatabases, ...counts } = source;
  assert.match(version, /^16\./);
  assert.ok(bytes > 1_000_000, String(bytes));
  assert.deepEqual(
    otherDatabases.map(({ name }: { name: string }) => name),
    ["billing"],
  );
  assert.deepEqual(counts, { database: "orders", tables: 2, leftOut: [], unmatched: [] });
  assert.deepEqual(
    envelope.warnings.map(({ code }) => code),
    ["OTHER_DATABASE"],
  );

  const text = readFileSync(file, "utf8");
  assertGolden(
    "pghaul.yaml",
    text
      .replace(database.url, "<source>")
      .replace(/\$schema=\S+/, "$schema=<schema>")
      .replace(/PostgreSQL 16[\d.]*/, "PostgreSQL 16")
      .replace(/[\d.]+ MB/, "<size>"),
  );
  const [, schema = ""] = /\$schema=(\S+)/.exec(text) ?? [];
  assert.equal(path.resolve(directory, schema), fileURLToPath(new URL("../../schema/pghaul.schema.json", import.meta.url)));
  const config = loadConfig({ file, environment: {} });
  assert.deepEqual(
    [config.source.connection.url, postgresOf(config).connection.url, config.tables.include],
    [database.url, TARGET, ["public.orders", "public.i*"]],
  );
});

test("a password never reaches the file or the output; the file refers to it", async (t) => {
  const directory = temporaryFiles(t, {});
  const { code, stdout, stderr } = await runCli(["init", "--source", withPassword(), "--target", TARGET], { cwd: directory });
  assert.equal(code, 0, stderr);
  const text = readFileSync(path.join(directory, "pghaul.yaml"), "utf8");
  for (const place of [text, stdout, stderr]) assert.doesNotMatch(place, new RegExp(PASSWORD));
  assert.match(text, /^ {2}url: "\$\{SOURCE_URL\}"$/m);
  assert.match(text, /^migration: "orders-move"$/m);
  assert.match(stderr, /the password in --source was on the command line/);
  assert.match(stdout, /^Set SOURCE_URL to the connection string you gave, then run: pghaul check$/m);
});

test("from the environment: a reference each, no warning about the command line, nothing left to set", async (t) => {
  const directory = temporaryFiles(t, {});
  const env = { SOURCE_URL: withPassword(), TARGET_URL: TARGET };
  const { code, stdout, stderr } = await runCli(["init"], { cwd: directory, env });
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /command line/);
  assert.match(stdout, /^Source: PostgreSQL 16\S*, database orders, \d tables?, .+\nNo route is set yet; .*\nNext: pghaul check$/m);
  const config = loadConfig({ file: path.join(directory, "pghaul.yaml"), environment: env });
  assert.deepEqual([config.source.connection.url, postgresOf(config).connection.url], [env.SOURCE_URL, TARGET]);
});

test("a reference given as such is kept", async (t) => {
  const directory = temporaryFiles(t, {});
  const env = { ORDERS_DB: withPassword() };
  const { code, stderr } = await runCli(["init", "--source", "${ORDERS_DB}", "--target", TARGET], { cwd: directory, env });
  assert.equal(code, 0, stderr);
  const text = readFileSync(path.join(directory, "pghaul.yaml"), "utf8");
  assert.match(text, /^ {2}url: "\$\{ORDERS_DB\}"$/m);
  assert.match(text, /^migration: "orders-move"$/m);
});

test("what cannot be moved, and patterns that match nothing, are said at once", async (t) => {
  const directory = temporaryFiles(t, {});
  const { warnings, result } = (
    await runCli(["init", "--source", database.url, "--target", TARGET, "--tables", "public.*", "--tables", "pubic.x", "--json"], {
      cwd: directory,
    })
  ).json();
  assert.deepEqual(warnings.map(({ code }) => code).sort(), ["OTHER_DATABASE", "PATTERN_UNMATCHED", "TABLE_LEFT_OUT", "TABLE_LEFT_OUT"]);
  assert.deepEqual(result.source.unmatched, ["pubic.x"]);
  assert.match(result.source.leftOut.join("\n"), /cache/);
  assert.match(result.source.leftOut.join("\n"), /scratch/);
});

test("a file that is there is only overwritten with --force", async (t) => {
  const directory = temporaryFiles(t, { "pghaul.yaml": "mine", "other.yaml": "mine too" });
  const args = ["init", "--source", database.url, "--target", TARGET];
  const refused = await runCli(args, { cwd: directory });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /pghaul\.yaml already exists/);
  assert.equal(readFileSync(path.join(directory, "pghaul.yaml"), "utf8"), "mine");
  assert.equal((await runCli([...args, "--force", "--config", "other.yaml"], { cwd: directory })).code, 0);
  assert.match(readFileSync(path.join(directory, "other.yaml"), "utf8"), /^migration: /m);
});

const refusals: readonly (readonly [string, () => readonly string[], number, RegExp])[] = [
  ["nothing said and nobody to ask", () => [], 2, /--source is missing/],
  ["no target", () => ["--source", database.url], 2, /--target is missing/],
  [
    "no name to be had",
    () => ["--source", `host=127.0.0.1 port=${server.port} user=postgres`, "--target", TARGET],
    2,
    /--migration is missing/,
  ],
  [
    "a name that no slot could have",
    () => ["--source", database.url, "--target", TARGET, "--migration", "Orders!"],
    3,
    /migration: must start with a lower-case letter/,
  ],
  [
    "a pattern without a schema",
    () => ["--source", database.url, "--target", TARGET, "--tables", "orders"],
    3,
    /tables\.include\[0\]: must be SCHEMA\.TABLE/,
  ],
  [
    "a target that is no connection string",
    () => ["--source", database.url, "--target", "nonsense"],
    3,
    /neither a postgresql:\/\/ URI nor key=value pairs/,
  ],
  [
    "a source that nobody answers at",
    () => ["--source", "postgresql://postgres@127.0.0.1:1/orders", "--target", TARGET],
    20,
    /SOURCE_UNREACHABLE/,
  ],
  ["a wrong password", () => ["--source", withPassword().replace(PASSWORD, "wrong-s3cret"), "--target", TARGET], 20, /SOURCE_AUTH/],
];

for (const [what, args, code, message] of refusals) {
  test(`refused, and nothing is written: ${what}`, async (t) => {
    const directory = temporaryFiles(t, {});
    const result = await runCli(["init", ...args()], { cwd: directory });
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /s3cret/);
    assert.equal(existsSync(path.join(directory, "pghaul.yaml")), false);
  });
}

const skip = process.platform === "linux" && existsSync("/usr/bin/script") ? false : "needs script(1) of util-linux for a pseudo-terminal";

/** Runs `init` on a pseudo-terminal, giving one answer after the other as each question comes. Returns exit code and output. */
async function initOnTerminal(
  directory: string,
  answers: readonly (readonly [question: RegExp, typed: string])[],
): Promise<readonly [number | null, string]> {
  const command = `stty cols 200; '${process.execPath}' '${fileURLToPath(new URL("../../bin/pghaul.js", import.meta.url))}' init`;
  const child = spawn("/usr/bin/script", ["-qefc", command, "/dev/null"], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, TERM: "xterm-256color" },
    stdio: ["pipe", "pipe", "inherit"],
    timeout: deadline(40_000),
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const closed = once(child, "close");
  for (const [question, typed] of answers) {
    while (!question.test(output)) {
      const ended = await Promise.race([once(child.stdout, "data").then(() => false), closed.then(() => true)]);
      if (ended && !question.test(output)) throw new Error(`ended before ${question}: ${output}`);
    }
    child.stdin.write(typed);
  }
  const [code] = (await closed) as [number | null];
  return [code, output];
}

test("on a terminal it asks for what no flag says; an empty answer takes what is proposed", { skip }, async (t) => {
  const directory = temporaryFiles(t, {});
  const [code, output] = await initOnTerminal(directory, [
    [/Connection string of the source/, `${withPassword()}\r`],
    [/Connection string of the target/, `${TARGET}\r`],
    [/target\.example.*press Enter again to keep this answer/, "\r"],
    [/Name of the migration:.*orders-move/, "\r"],
    [/Tables to move/, "public.orders  public.items\r"],
    [/How do applications find/, "\r"],
    [/File of the document:.*route\.json/, "\r"],
  ]);
  assert.equal(code, 0, output);
  assert.match(readFileSync(path.join(directory, "pghaul.yaml"), "utf8"), /^ {4}- \{ kind: document, file: route\.json \}$/m);
  const config = loadConfig({ file: path.join(directory, "pghaul.yaml"), environment: { SOURCE_URL: "postgresql://a/b" } });
  assert.deepEqual(
    [config.migration, config.tables.include, config.source.connection.url],
    ["orders-move", ["public.orders", "public.items"], "postgresql://a/b"],
  );
});

test("an answer that will not do is told at once and corrected where it stands", { skip }, async (t) => {
  const directory = temporaryFiles(t, {});
  const [code, output] = await initOnTerminal(directory, [
    [/Connection string of the source/, `${withPassword().replace(PASSWORD, "wrong-s3cret")}\r`],
    [/password authentication failed/, `\u0015${database.url}\r`],
    [/Connection string of the target/, `${database.url}\r`],
    [/Name of the migration/, "Orders!\r"],
    [/must start with a lower-case letter/, "\u0015orders\r"],
    [/Tables to move/, "public.ordres\r"],
    [/no table of the source matches public\.ordres/, "\u0015public.orders\r"],
    [/How do applications find/, "\u001b[A\r"],
  ]);
  assert.equal(code, 0, output);
  const config = loadConfig({ file: path.join(directory, "pghaul.yaml"), environment: {} });
  assert.deepEqual([config.migration, config.tables.include, config.cutover.routing], ["orders", ["public.orders"], []]);
  assert.match(output, /No route is set yet/);
});

test("a hook given by a flag stands in the file", async (t) => {
  const directory = temporaryFiles(t, {});
  const args = ["init", "--source", database.url, "--target", TARGET, "--route-hook", "/usr/local/bin/lead"];
  assert.equal((await runCli(args, { cwd: directory })).code, 0);
  const [hook] = loadConfig({ file: path.join(directory, "pghaul.yaml"), environment: {} }).cutover.routing;
  assert.deepEqual(hook?.kind === "hook" && hook.command, ["/usr/local/bin/lead"]);
});

test("Ctrl-C at a question is no answer: 130, and nothing is written", { skip }, async (t) => {
  const directory = temporaryFiles(t, {});
  const [code, output] = await initOnTerminal(directory, [
    [/Connection string of the source/, `${database.url}\r`],
    [/Connection string of the target/, `${database.url}\r`],
    [/Name of the migration/, "\u0003"],
  ]);
  assert.equal(code, 130, output);
  assert.match(output, /nothing was done/);
  assert.equal(existsSync(path.join(directory, "pghaul.yaml")), false);
});
