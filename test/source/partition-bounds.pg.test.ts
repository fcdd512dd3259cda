import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import type { CheckResult } from "../../src/model/check-result.ts";
import { query } from "../support/database.ts";
import { deadline } from "../support/deadline.ts";
import { type PgServer, startServer } from "../support/pg-server.ts";
import { checkAll, checkRequest } from "./check-request.ts";

/** Without a key: beside a foreign partition a root can have none (manual: "CREATE FOREIGN TABLE"). */
const ROOT = `
  drop schema if exists app cascade; drop foreign data wrapper if exists nowhere cascade;
  create foreign data wrapper nowhere; create server elsewhere foreign data wrapper nowhere;
  create schema app; set search_path = app;
  create table ev (day int, region text) partition by range (day);
  create table ev_1 partition of ev for values from (0) to (10);`;
const SECOND = "create table ev_2 partition of ev for values from (10) to (20);";
const FAR = "create foreign table ev_far partition of ev default server elsewhere;";
const NESTED = `create table ev_3 partition of ev for values from (20) to (30) partition by list (region);
  create table ev_3_eu partition of ev_3 for values in ('eu');`;
const IDENTITY = `do $$ declare t regclass; begin
  for t in select oid from pg_class where relnamespace = 'app'::regnamespace and relkind in ('r', 'p') loop
    execute format('alter table %s replica identity full', t); end loop; end $$;`;

describe("partitions of the target that are not moved", { timeout: deadline(120_000) }, () => {
  let server: PgServer;
  before(async () => {
    server = await startServer({ version: 14 });
    await query(server.url(), "create database there template template0");
  });
  after(() => server?.[Symbol.asyncDispose]());
  beforeEach(() => query(server.url(), `${ROOT} ${SECOND} ${FAR} ${NESTED} ${IDENTITY}`));

  async function checked(there: string): Promise<CheckResult> {
    await query(server.url("there"), there);
    const request = checkRequest(server.url(), server.url("there"), {
      selection: { include: ["app.*"], exclude: [] },
    });
    const result = (await checkAll(request)).get("partition-bounds");
    assert.ok(result, "it ran");
    return result;
  }

  test("take no row of ours where they and the others have the source's bounds, or where the table is not there yet", async () => {
    assert.equal((await checked("drop schema if exists app cascade")).status, "pass");
    const { status, evidence } = await checked(`${ROOT} ${SECOND} ${NESTED} ${FAR}`);
    assert.equal(status, "pass", evidence);
  });

  test("take what belongs to a partition that the target lacks, when one is the default; the fix takes it out of the way", async () => {
    const { status, evidence, fix } = await checked(`${ROOT} ${FAR} ${NESTED}`);
    assert.equal(status, "fail", evidence);
    assert.match(evidence, /: app\.ev_far \(DEFAULT\) takes the rows of app\.ev_2, which the target lacks$/);
    await query(server.url("there"), fix ?? "");
    assert.equal((await checked("select")).status, "pass");
  });

  test("take the rows of the partition whose bounds they have, deep in the tree too", async () => {
    const eu = "create table ev_3 partition of ev for values from (20) to (30) partition by list (region);";
    const { status, evidence } = await checked(
      `${ROOT} ${SECOND} ${eu} create foreign table eu_far partition of ev_3 for values in ('eu') server elsewhere;`,
    );
    assert.equal(status, "fail", evidence);
    assert.match(evidence, /: app\.eu_far \(FOR VALUES IN \('eu'\)\) has the bounds of app\.ev_3_eu of the source$/);
  });

  test("may take some where the source has no like of them: told, and not refused", async () => {
    const { status, evidence } = await checked(
      `${ROOT} ${SECOND} ${NESTED} create foreign table ev_old partition of ev for values from (-100) to (0) server elsewhere;`,
    );
    assert.equal(status, "warn", evidence);
    assert.match(evidence, /: app\.ev_old \(FOR VALUES FROM \('?-100'?\) TO \(0\)\) has no counterpart at the source$/);
  });
});
