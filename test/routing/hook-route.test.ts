import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { PghaulError } from "../../src/errors/pghaul-error.ts";
import { HookRoute } from "../../src/routing/hook-route.ts";
import { temporaryDirectory } from "../state/temporary-state.ts";

interface Hook {
  readonly route: HookRoute;
  readonly directory: string;
}

function hook(t: TestContext, script: string, timeoutMillis = 5_000): Hook {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, "hook.sh");
  writeFileSync(file, `#!/bin/sh\ncd "${directory}"\n${script}\n`);
  chmodSync(file, 0o755);
  return { route: new HookRoute({ command: [file, "--given"], timeoutMillis, migration: "orders-move" }), directory };
}

function failure(pattern: RegExp): (error: PghaulError) => boolean {
  return (error) => {
    assert.equal(error.code, "ROUTE_FAILED");
    assert.match(error.message, pattern);
    return true;
  };
}

describe("hook route", () => {
  it("gives the verb as arguments, in the environment and as JSON", async (t) => {
    const { route, directory } = hook(t, 'echo "$@ $PGHAUL_MIGRATION $PGHAUL_ROUTE_VERB" > args; cat > json');
    await route.switchTo("target", 5_000);
    assert.equal(readFileSync(path.join(directory, "args"), "utf8"), "--given switch target orders-move switch\n");
    assert.deepEqual(JSON.parse(readFileSync(path.join(directory, "json"), "utf8")), {
      migration: "orders-move",
      verb: "switch",
      to: "target",
    });
    await route.pause(5_000);
    assert.equal(readFileSync(path.join(directory, "args"), "utf8"), "--given pause orders-move pause\n");
  });

  it("reads where the route leads; exit 64 is no answer, anything else than a side is an error", async (t) => {
    assert.equal(await hook(t, "echo target").route.current(5_000), "target");
    assert.equal(await hook(t, "exit 64").route.current(5_000), null);
    await assert.rejects(hook(t, "echo both").route.current(5_000), failure(/neither source nor target/));
    await assert.rejects(hook(t, "echo unreachable >&2; exit 1").route.current(5_000), failure(/exit code 1: unreachable on "status"/));
  });

  it("need not know pause and resume, and must know switch", async (t) => {
    const { route } = hook(t, "exit 64");
    await route.pause(5_000);
    await route.resume(5_000);
    await assert.rejects(route.switchTo("source", 5_000), failure(/exit code 64 on "switch source"/));
  });

  it("is killed with its children at its own timeout, or earlier at the switch's", async (t) => {
    const own = hook(t, "sleep 7131", 150);
    await assert.rejects(own.route.pause(60_000), failure(/did not end within 150 ms/));
    const began = performance.now();
    await assert.rejects(hook(t, "sleep 7131 & sleep 7131").route.switchTo("target", 150), failure(/did not end within 150 ms/));
    assert.ok(performance.now() - began < 3_000);
    const left = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line.startsWith("sleep 7131"));
    assert.deepEqual(left, []);
  });

  it("does not wait for a child that it leaves behind on purpose", async (t) => {
    const began = performance.now();
    const { route, directory } = hook(t, "sleep 5 & echo $! > pid; echo source");
    assert.equal(await route.current(4_000), "source");
    assert.ok(performance.now() - began < 3_000);
    process.kill(Number(readFileSync(path.join(directory, "pid"), "utf8")), "SIGKILL");
  });

  it("survives a hook that is not there, reads nothing, or babbles", async (t) => {
    const missing = new HookRoute({ command: ["/no/such/hook"], timeoutMillis: 1_000, migration: "m" });
    await assert.rejects(missing.pause(1_000), failure(/could not be started \(ENOENT\)/));
    await hook(t, "exec <&-; exit 0").route.pause(5_000);
    await hook(t, "yes | head -c 3000000; exit 0").route.pause(5_000);
  });
});
