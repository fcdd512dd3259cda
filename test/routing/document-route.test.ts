import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import type { PghaulError } from "../../src/errors/pghaul-error.ts";
import { AllRoutes } from "../../src/routing/all-routes.ts";
import { DocumentRoute } from "../../src/routing/document-route.ts";
import { temporaryDirectory } from "../state/temporary-state.ts";
import { deadline } from "../support/deadline.ts";

const NOW = () => new Date("2026-11-21T00:00:00Z");

describe("document route", () => {
  it("leads to the source before anything was switched, then where it was told, with a version that rises", async (t) => {
    const file = path.join(temporaryDirectory(t), "route.json");
    const route = new DocumentRoute({ file, migration: "m", now: NOW });
    assert.equal(await route.current(5_000), "source");
    await route.switchTo("target", 5_000);
    await route.switchTo("target", 5_000);
    assert.equal(await route.current(5_000), "target");
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), {
      version: 2,
      migration: "m",
      primary: "target",
      updatedAt: "2026-11-21T00:00:00.000Z",
    });
    assert.deepEqual(readdirSync(path.dirname(file)), ["route.json"], "nothing is left beside it");
  });

  it("never overwrites what is not its own", async (t) => {
    const file = path.join(temporaryDirectory(t), "route.json");
    for (const text of ['{"migration":"other","primary":"source"}', "not json", '{"migration":"m","primary":"both"}']) {
      writeFileSync(file, text);
      const route = new DocumentRoute({ file, migration: "m", now: NOW });
      await assert.rejects(route.switchTo("target", 5_000), (error: PghaulError) => error.code === "ROUTE_FAILED");
      assert.equal(readFileSync(file, "utf8"), text);
    }
  });

  it("on a disk that hangs it ends at its limit; what comes late changes nothing, and is waited for", async (t) => {
    const file = path.join(temporaryDirectory(t), "route.json");
    // Opening a pipe waits for its other end, as a file on a server that is away does.
    execFileSync("mkfifo", [file]);
    const route = new DocumentRoute({ file, migration: "m", now: NOW });
    const gaveUp = (error: PghaulError) => error.code === "ROUTE_FAILED" && /could not be used within 100 ms/.test(error.message);
    const began = performance.now();
    await assert.rejects(route.switchTo("target", 100), gaveUp);
    await assert.rejects(route.current(100), gaveUp);
    await assert.rejects(route.takeOver(100), gaveUp);
    assert.ok(performance.now() - began < deadline(2_000));
    const writer = openSync(file, "w");
    writeSync(writer, '{"migration":"m","primary":"source"}');
    closeSync(writer);
    await assert.rejects(
      route.takeOver(100).then(() => route.current(100)),
      "the question that was given up waits for the pipe, too",
    );
    const again = openSync(file, "w");
    writeSync(again, '{"migration":"m","primary":"source"}');
    closeSync(again);
    await route.takeOver(5_000);
    assert.equal(statSync(file).isFIFO(), true, "the switch that was given up has replaced nothing");
  });

  it("a reader never sees half a document", async (t) => {
    const file = path.join(temporaryDirectory(t), "route.json");
    const route = new DocumentRoute({ file, migration: "m", now: NOW });
    await route.switchTo("source", 5_000);
    let done = false;
    const switching = (async () => {
      for (let round = 0; round < 50; round += 1) await route.switchTo(round % 2 === 0 ? "target" : "source", 5_000);
      done = true;
    })();
    let reads = 0;
    while (!done) {
      JSON.parse(readFileSync(file, "utf8"));
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await switching;
    assert.ok(reads > 10, `${reads} reads`);
  });
});

describe("several routes", () => {
  it("are switched in order; where they disagree nobody guesses", async (t) => {
    const directory = temporaryDirectory(t);
    const routes = ["a", "b"].map((name) => new DocumentRoute({ file: path.join(directory, name), migration: "m", now: NOW }));
    const all = new AllRoutes(routes);
    assert.equal(all.kind, "document + document");
    await all.switchTo("target", 1_000);
    assert.equal(await all.current(1_000), "target");
    await routes[0]?.switchTo("source", 1_000);
    await assert.rejects(all.current(1_000), (error: PghaulError) => error.code === "REALITY_DIFFERS");
  });

  it("one that fails to resume does not keep the others waiting", async () => {
    const resumed: string[] = [];
    const route = (name: string, fails: boolean) => ({
      kind: name,
      pause: async () => {},
      resume: async () => {
        if (fails) throw new Error(name);
        await new Promise((resolve) => setImmediate(resolve));
        resumed.push(name);
      },
      takeOver: async () => {},
      switchTo: async () => {},
      current: async () => null,
    });
    await assert.rejects(new AllRoutes([route("a", true), route("b", false)]).resume(1_000), /a/);
    assert.deepEqual(resumed, ["b"]);
    assert.equal(await new AllRoutes([route("a", false)]).current(1_000), null);
  });
});
