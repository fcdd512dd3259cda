/**
 * The `--json` of every command, over a whole migration there and back: what `test/cli/golden/json-shapes.txt` promises is there, and nothing
 * else. UPDATE_GOLDEN=1 adds what is new; what is to go is taken out by hand, for it breaks somebody's script.
 */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { createDatabase, query } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import type { CliResult } from "../support/run-cli.ts";
import { S3Double } from "../support/s3-double.ts";
import { brokenPromises, joinShapes, parseShape, printShape, type Shape, shapeOf } from "./json-shape.ts";
import { type Move, newMove, type Pair, startPair } from "./move-bench.ts";

const GOLDEN = fileURLToPath(new URL("../cli/golden/json-shapes.txt", import.meta.url));
const SCHEMA = `
  create table customers (id bigint generated always as identity primary key, name text not null);
  create table orders (id bigint primary key, customer bigint references customers, total numeric, at timestamptz default now()) partition by range (id);
  create table orders_1 partition of orders for values from (1) to (5000);
  create table orders_2 partition of orders for values from (5000) to (100000);
  create table log (line text); alter table log replica identity full;
  insert into customers (name) select 'c' || n from generate_series(1, 100) n;
  insert into orders select n, 1 + n % 100, n from generate_series(1, 9000) n;
  insert into log select 'line ' || n % 7 from generate_series(1, 50) n;
  analyze`;
const CONFIG = `
cutover:
  maxStall: 20s
  deadlines: { pause: 5s, fence: 5s, drain: 10s }
  routing: [ { kind: document, file: "DIR/route.json" } ]
  gates: { lagHeldFor: 1s, maxLagSeconds: 20, noErrorsFor: 0s, maxTransactionAge: 60s }
`;

describe("the JSON of every command", { timeout: deadline(240_000) }, () => {
  let pair: Pair;
  let move: Move;
  const promised = existsSync(GOLDEN) ? parseGolden(readFileSync(GOLDEN, "utf8")) : new Map<string, Shape>();
  const seen = new Map<string, Shape>();

  before(async () => {
    pair = await startPair({ version: 14 }, { version: 15 });
    move = await newMove(pair, { sql: SCHEMA });
    move.configure({ config: CONFIG.replace("DIR", move.dir) });
  });
  after(() => pair[Symbol.asyncDispose]());

  /** Runs the command and holds its answer to what is promised under `name`. */
  async function promise(name: string, args: readonly string[], exit = 0): Promise<CliResult> {
    const result = await move.run([...args, "--json", "--no-input"]);
    assert.equal(result.code, exit, `${args.join(" ")}\n${result.stdout}\n${result.stderr}`);
    const shape = shapeOf(result.json());
    seen.set(name, joinShapes(seen.get(name) ?? new Map(), shape));
    const broken = brokenPromises(promised.get(name) ?? new Map(), shape);
    if (process.env.UPDATE_GOLDEN !== "1") assert.deepEqual(broken, [], name);
    return result;
  }

  async function confirmed(command: readonly string[]): Promise<string[]> {
    const planned = await move.run([...command, "--dry-run", "--json", "--no-input"]);
    return [...command, "--confirm", move.name, "--plan-digest", planned.json().result.plan?.digest ?? planned.json().result.planDigest];
  }

  it("before anything runs", async () => {
    const urls = ["--source", move.sourceDb.url, "--target", move.targetDb.url];
    await promise("init", ["init", ...urls, "--migration", "another", "--config", join(move.dir, "another.yaml")]);
    await promise("status", ["status"]);
    await promise("check", ["check"]);
    await promise("plan", ["plan"]);
    await promise("snapshot plan", ["snapshot", "plan"]);
    await promise("snapshot status", ["snapshot", "status"]);
    await promise("cdc status", ["cdc", "status"]);
    await promise("cutover status", ["cutover", "status"]);
    await promise("completion", ["completion", "bash"]);
    await promise("complete", ["complete", "cutover", ""]);
    await promise("error", ["status", "--config", "nowhere.yaml"], 3);
  });

  it("load, stream and verification", async () => {
    await promise("snapshot run", ["snapshot", "run"]);
    await promise("run", ["run", "--until", "verified"]);
    await query(move.targetDb, "alter table orders_1 disable trigger all; delete from orders_1 where id = 7");
    const streaming = move.start(["cdc", "start"]);
    await streaming.waitFor(/phase=streaming/);
    await promise("verify run (different)", ["verify", "run"], 12);
    await promise("verify diff (different)", ["verify", "diff", "--table", "public.orders"], 12);
    await query(
      move.targetDb,
      "insert into orders_1 select * from orders_2 limit 0; insert into orders select 7, 8, 7, (select at from orders where id = 8)",
    );
    await promise("status", ["status"]);
    await promise("snapshot status", ["snapshot", "status"]);
    await promise("cdc status", ["cdc", "status"]);
    for (const command of ["run", "diff"]) {
      await promise(`verify ${command}`, ["verify", command]);
      const { stderr } = await move.run(["verify", command]);
      assert.match(stderr, /detail="(\d+) of \1 tables compared"[^\n]*\n?$/, "the last line counts the last table");
    }
    await promise("cdc stop", ["cdc", "stop"]);
    await streaming.done;
  });

  it("the switch and the way back", async () => {
    const streaming = move.start(["run"]);
    await streaming.waitFor(/phase=streaming/);
    await query(move.targetDb, "alter table customers add constraint short check (length(name) < 9)");
    await query(move.sourceDb, "insert into customers (name) values ('a long name')");
    await streaming.waitFor(/code=TABLE_HELD/, 60_000);
    await query(move.targetDb, "alter table customers drop constraint short");
    await promise("snapshot reload", ["snapshot", "reload", "--table", "public.customers"]);
    await promise("verify run", ["verify", "run"]);
    await promise("cutover plan", ["cutover", "plan"]);
    await promise("cutover check", ["cutover", "check"]);
    await promise("cutover run", await confirmed(["cutover", "run"]));
    await promise("cutover status", ["cutover", "status"]);
    await promise("status", ["status"]);
    await promise("cutover check", ["cutover", "check", "--rollback"]);
    await promise("cutover rollback", await confirmed(["cutover", "rollback"]));
    await promise("cutover log", ["cutover", "log"]);
    await promise("report", ["report"]);
    assert.match(streaming.stderr(), /notice run=\S+ message="the way back is open: streaming both ways"/);
    assert.doesNotMatch(streaming.stderr(), /waiting="the way back is open/);
    await streaming.kill("SIGINT");
    await promise("cdc teardown", await confirmed(["cdc", "teardown"]));
  });

  it("files, and what is restored from them", async () => {
    const [config, files] = [join(move.dir, "files.yaml"), join(move.dir, "files")];
    writeFileSync(
      config,
      `version: 1
migration: files
source: { url: "${move.sourceDb.url}" }
target: { kind: file, url: "file://${files}" }
state: { dir: "${join(move.dir, "files-state")}" }
tables: { include: ["public.orders"] }
`,
    );
    const written = await move.run(["run", "--until", "caught-up", "--config", config]);
    assert.equal(written.code, 0, written.stderr);
    const empty = await createDatabase(pair.target);
    await query(empty, `${SCHEMA}; truncate customers, orders, log`);
    await promise("restore", ["restore", "--from", files, "--to", empty.url]);
  });

  it("state and log in a bucket", async () => {
    await using s3 = await S3Double.start();
    const config = join(move.dir, "bucket.yaml");
    const inBucket = async (name: string, args: readonly string[], exit = 0): Promise<CliResult> => {
      Object.assign(process.env, s3.environment);
      return promise(name, [...args, "--config", config], exit);
    };
    writeFileSync(
      config,
      `version: 1
migration: bucket
source: { url: "${move.sourceDb.url}" }
target: { kind: file, url: "file://${join(move.dir, "bucket-files")}" }
state: { dir: "${join(move.dir, "bucket-state")}", s3: "s3://bucket/p", endpoint: "${s3.endpoint}" }
tables: { include: ["public.customers"] }
`,
    );
    const written = await move.run(["run", "--until", "caught-up", "--config", config], s3.environment);
    assert.equal(written.code, 0, written.stderr);
    await inBucket("state show", ["state", "show"]);
    await inBucket("state push", ["state", "push"]);
    rmSync(join(move.dir, "bucket-state"), { recursive: true });
    await inBucket("state pull", ["state", "pull"]);
    await inBucket("state unlock", ["state", "unlock"]);
  });

  it("no command is left out, and the golden file is what was seen", () => {
    assert.deepEqual(
      [...seen.keys()].filter((name) => name !== "error" && !name.endsWith("(different)")).toSorted(),
      commandNames().toSorted(),
    );
    if (process.env.UPDATE_GOLDEN === "1") writeFileSync(GOLDEN, printGolden(seen, promised));
  });
});

/** From the files, so that a new command must come with its promise. `cdc start` answers as `run` does. */
function commandNames(): string[] {
  const root = fileURLToPath(new URL("../../src/commands/", import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return files.map((file) => file.slice(0, -3).replace("/", " ")).filter((name) => name !== "cdc start");
}

function parseGolden(text: string): Map<string, Shape> {
  const sections = text.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => [section.slice(0, section.indexOf("\n")), parseShape(section.slice(section.indexOf("\n") + 1))]),
  );
}

function printGolden(seen: ReadonlyMap<string, Shape>, promised: ReadonlyMap<string, Shape>): string {
  const sections = [...seen].map(([name, shape]) => `## ${name}\n${printShape(joinShapes(promised.get(name) ?? new Map(), shape))}\n`);
  return sections.toSorted().join("\n");
}
