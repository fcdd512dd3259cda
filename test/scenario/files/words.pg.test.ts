import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { temporaryFiles } from "../../config/temporary-config.ts";
import { createDatabase, query } from "../../support/database.ts";
import { deadline } from "../../support/deadline.ts";
import { startServer } from "../../support/pg-server.ts";
import { runCli } from "../../support/run-cli.ts";

/** What files have not: each of these words in a line that an operator reads would be untrue of them. */
const UNTRUE = /foreign[ -]key|trigger|sequence|fence|way back|rollback|cutover|\broute|replication origin|temporary table|indexing/i;

/** Checks of what the source itself has. */
const OF_THE_SOURCE = /^ok +source-(?:event-triggers|fences-left) /;

const COMMANDS = ["check", "plan", "run --until verified", "status", "snapshot status", "cdc status", "cdc teardown --dry-run"];

test("no line that an operator reads speaks of what files have not", { timeout: deadline(120_000) }, async (t) => {
  await using server = await startServer({ version: 16 });
  const database = await createDatabase(server, "orders");
  await query(
    database,
    `create table parent (id bigserial primary key, note text);
     create table child (id bigint primary key, parent bigint references parent);
     create sequence unowned;
     create function touch() returns trigger language plpgsql as 'begin return new; end';
     create trigger touched before update on parent for each row execute function touch();
     create publication others for table parent;
     insert into parent select n, 'x' from generate_series(1, 100) n;
     insert into child select n, n from generate_series(1, 100) n;
     analyze`,
  );
  const directory = temporaryFiles(t, {});
  writeFileSync(
    path.join(directory, "pghaul.yaml"),
    `version: 1
migration: orders-files
source: { url: "${database.url}" }
target: { kind: file, url: "file://${directory}/out", format: csv, compression: gzip }
`,
  );
  for (const command of COMMANDS) {
    const { code, stdout, stderr } = await runCli(command.split(" "), { cwd: directory });
    assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
    const untrue = `${stdout}\n${stderr}`.split("\n").filter((line) => UNTRUE.test(line) && !OF_THE_SOURCE.test(line));
    assert.deepEqual(untrue, [], command);
  }
  const plan = await runCli(["cutover", "plan"], { cwd: directory });
  assert.equal(plan.code, 3);
  assert.match(plan.stderr, /TARGET_KIND/);
  assert.match((await runCli(["cutover", "status"], { cwd: directory })).stdout, /^possible now: nothing$/m);
});
