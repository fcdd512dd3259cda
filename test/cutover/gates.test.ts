import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askGate, checkGates, gatesTo } from "../../src/cutover/check-gates.ts";
import type { Gate, GateContext } from "../../src/cutover/gate.ts";
import { errorsGate } from "../../src/cutover/gates/errors.ts";
import { heldGate } from "../../src/cutover/gates/held.ts";
import { lagGate } from "../../src/cutover/gates/lag.ts";
import { objectsGate } from "../../src/cutover/gates/objects.ts";
import { privilegesGate } from "../../src/cutover/gates/privileges.ts";
import { routeGate } from "../../src/cutover/gates/route.ts";
import { streamGate } from "../../src/cutover/gates/stream.ts";
import { verifiedGate } from "../../src/cutover/gates/verified.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { between, context, facts, NOW, route, samples, table } from "./gate-context.ts";

const ago = (millis: number) => new Date(NOW - millis).toISOString();

async function opens(gate: Gate, changed: Partial<GateContext>): Promise<boolean> {
  return (await askGate(gate, context(changed))).open;
}

describe("gates", () => {
  it("lag: low and held long enough, without a hole", async () => {
    const lag = (list: ReturnType<typeof samples>) => opens(lagGate, { facts: facts({ lagSamples: () => list }) });
    assert.equal(await lag(samples(60)), true);
    assert.equal(await lag(samples(20)), false, "not long enough");
    assert.equal(await lag([]), false);
    assert.equal(
      await lag(samples(60, (sample, ago) => (ago === 10 ? { ...sample, lagBytesMax: 2_000 } : sample))),
      false,
      "a peak ten seconds ago",
    );
    assert.equal(
      await lag(samples(60, (sample, ago) => (ago === 50 ? { ...sample, lagBytesMax: 2_000 } : sample))),
      true,
      "a peak long ago",
    );
    assert.equal(await lag(samples(60, (sample, ago) => (ago === 3 ? { ...sample, lagSecondsMax: 6 } : sample))), false);
    assert.equal(
      await lag(samples(60, (sample, ago) => (ago === 3 ? { ...sample, lagBytesMax: null } : sample))),
      false,
      "unknown is not low",
    );
    assert.equal(await lag(samples(60).filter(({ at }) => at < NOW - 25_000 || at > NOW - 10_000)), false, "nobody measured for a while");
    assert.equal(await lag(samples(60).filter(({ at }) => at < NOW - 15_000)), false, "nobody measures now");
  });

  it("no-errors: the last one is long enough ago", async () => {
    const error = (millis: number) => opens(errorsGate, { facts: facts({ lastError: () => ({ code: "TARGET_LOST", at: ago(millis) }) }) });
    assert.equal(await opens(errorsGate, {}), true);
    assert.equal(await error(601_000), true);
    assert.equal(await error(599_000), false);
  });

  it("verified: every table, equal, not too long ago; good until it is too old", async () => {
    const tables = [table("public.t"), table("public.u")];
    const verdicts = (second: { equal?: boolean; at?: string } | null) => {
      const both = [
        { table: "public.t", equal: true, at: ago(1_000) },
        ...(second === null ? [] : [{ table: "public.u", equal: true, at: ago(3_600_000), ...second }]),
      ];
      return askGate(verifiedGate, context({ tables, facts: facts({ verdicts: () => both }) }));
    };
    const good = await verdicts({});
    assert.equal(good.open, true);
    assert.equal(good.ttlMillis, 86_400_000 - 3_600_000);
    assert.equal((await verdicts(null)).open, false);
    assert.match((await verdicts({ equal: false })).fix ?? "", /verify diff/);
    assert.equal((await verdicts({ at: ago(86_400_001) })).open, false);
  });

  it("route: leads to the old primary, or cannot tell", async () => {
    assert.equal(await opens(routeGate, {}), true);
    assert.equal(await opens(routeGate, { route: route(async () => null) }), true);
    assert.equal(await opens(routeGate, { route: route(async () => "target") }), false);
  });

  it("stream: runs, with every table in it", async () => {
    assert.equal(await opens(streamGate, {}), true);
    assert.equal(await opens(streamGate, { facts: facts({ notRunning: async () => "no process is streaming" }) }), false);
    assert.equal(await opens(streamGate, { facts: facts({ notJoined: () => ["public.t"] }) }), false);
  });

  it("no-table-held: in neither direction, with the reason and what to do", async () => {
    assert.equal(await opens(heldGate, {}), true);
    const held = [
      { table: "public.t", why: "public.t is held: the target refuses a row", fix: "pghaul snapshot reload --table 'public.t'" },
    ];
    const answer = await askGate(heldGate, context({ facts: facts({ held: () => held }) }));
    assert.equal(answer.open, false);
    assert.match(JSON.stringify(answer.evidence), /the target refuses a row/);
    assert.equal(answer.fix, held[0]?.fix);
    for (const to of ["source", "target"] as const) assert.ok(gatesTo(to).includes(heldGate), to);
  });

  it("objects: none is missing or unlike; the advice has the statements, and names what none can be printed for", async () => {
    assert.equal(await opens(objectsGate, {}), true);
    const view = { title: "view public.v", statement: "create view public.v as select 1" };
    const cast = { title: "cast (a AS b)", statement: null };
    const missing = await askGate(objectsGate, context({ between: between({ missing: { count: 30, first: [view, cast] } }) }));
    assert.equal(missing.open, false);
    assert.deepEqual(missing.evidence, { objects: 40, missing: 30, first: ["view public.v", "cast (a AS b)"], differing: 0 });
    assert.match(missing.fix ?? "", /^create view public\.v as select 1;\n-- as pg_dump .*: cast \(a AS b\)\n-- .*notNeeded$/);
    const differing = await askGate(objectsGate, context({ between: between({ differing: { count: 1, first: [view] } }) }));
    assert.equal(differing.open, false);
    assert.deepEqual(differing.evidence, { objects: 40, missing: 0, differing: 1, firstDiffering: ["view public.v"] });
  });

  it("privileges: a role, a membership and a right each close it; what is only worth knowing does not", async () => {
    const asked = async (found: Parameters<typeof between>[1]) => askGate(privilegesGate, context({ between: between({}, found) }));
    const role = { name: "app", title: "role app", statement: 'create role "app" login' };
    const right = { kind: "grant", title: "function f()", statement: null, obstacle: "the target has no function f()" } as const;
    assert.equal((await asked({ noSuperuserAnyMore: ["dba"], attributes: ["app has bypassrls at the source only"] })).open, true);
    const missing = await asked({ missingRoles: [role] });
    assert.equal(missing.open, false);
    assert.deepEqual(missing.evidence.missingRoles, ["app"]);
    assert.match(missing.fix ?? "", /^create role "app" login;\n/);
    const member = { title: "app may become boss", statement: "grant boss to app" };
    assert.deepEqual((await asked({ memberships: [member] })).evidence.missingMemberships, ["app may become boss"]);
    const lacking = await asked({ rights: [right] });
    assert.equal(lacking.open, false);
    assert.deepEqual(lacking.evidence.first, ["function f() lacks a grant: the target has no function f()"]);
    assert.match(lacking.fix ?? "", /no statement can grant them: function f\(\)/);
    const many = Array.from({ length: 25 }, (_, index) => ({ ...right, statement: `grant ${index}` }));
    assert.match((await asked({ rights: many })).fix ?? "", /grant 19;\n-- at the target, and 5 more;/);
  });

  it("one that cannot be asked is closed and says why; all are asked", async () => {
    const broken = route(async () => {
      throw new PghaulError("ROUTE_FAILED", "the hook ended with exit code 1");
    });
    const results = await checkGates(context({ route: broken }));
    assert.equal(results.length, gatesTo("target").length);
    const result = results.find(({ id }) => id === "route");
    assert.equal(result?.open, false);
    assert.match(JSON.stringify(result?.evidence), /exit code 1/);
    assert.equal(result?.measuredAt, new Date(NOW).toISOString());
  });

  it("a rollback is not held up by what it does not depend on", () => {
    const back = gatesTo("source").map(({ id }) => id);
    for (const id of ["verified", "no-errors", "parity"]) assert.ok(!back.includes(id), id);
    for (const id of ["stream-running", "lag", "transactions", "slot", "writable", "fence-privileges", "sequences", "route"])
      assert.ok(back.includes(id), id);
  });
});
