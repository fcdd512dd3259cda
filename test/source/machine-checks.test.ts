import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { Answer } from "../../src/conditions/condition.ts";
import { MACHINE_CHECKS } from "../../src/source/checks/machine-checks.ts";

let dir: string;
before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "pghaul-state-"));
});
after(() => rm(dir, { recursive: true, force: true }));

async function verdict(stateDirectory: string): Promise<Answer> {
  const check = MACHINE_CHECKS.find(({ id }) => id === "state-directory");
  assert.ok(check);
  return check.ask({ stateDirectory } as never);
}

test("a state directory that is writable, or can be made, passes", async () => {
  const made = path.join(dir, "made");
  await mkdir(made);
  await writeFile(path.join(made, "state.db"), "");
  assert.deepEqual(await verdict(made), { verdict: "pass", evidence: `${made} is writable`, advice: null });
  assert.equal((await verdict(path.join(made, "not", "yet"))).evidence, `${path.join(made, "not", "yet")} can be created`);
});

test("a file in the way fails, and the fix moves it", async () => {
  const file = path.join(dir, "it's a file");
  await writeFile(file, "");
  const refused = await verdict(path.join(file, "state"));
  assert.deepEqual([refused.verdict, refused.evidence], ["fail", `${file} is a file, but ${path.join(file, "state")} must be a directory`]);
  assert.equal(spawnSync("sh", ["-c", refused.advice ?? ""]).status, 0);
  assert.equal((await verdict(path.join(file, "state"))).verdict, "pass");
});

const MODULE = new URL("../../src/source/checks/machine-checks.ts", import.meta.url).href;
const AS_NOBODY = `process.setgroups([]); process.setgid(65534); process.setuid(65534);
  const stateDirectory = process.argv[1];
  console.log(JSON.stringify(await checks.find(({ id }) => id === "state-directory").ask({ stateDirectory })));`;

/** As another user, for nothing is refused to root. */
test("mode and owner of what may not be written are told", {
  skip: process.getuid?.() !== 0 && "needs root to become somebody else",
}, async () => {
  const closed = path.join(dir, "closed");
  await mkdir(closed, { mode: 0o755 });
  spawnSync("chmod", ["755", dir, closed]);
  const asNobody = (of: string): Answer => {
    const script = `const { MACHINE_CHECKS: checks } = await import(${JSON.stringify(MODULE)}); ${AS_NOBODY}`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, of], { encoding: "utf8" });
    return JSON.parse(stdout || `"${stderr}"`) as Answer;
  };
  const refused = asNobody(closed);
  assert.equal(refused.verdict, "fail");
  assert.equal(refused.evidence, `${closed} belongs to 0:0 with mode 0755; 65534:65534 may not write to it (EACCES)`);
  await writeFile(path.join(closed, "state.db"), "", { mode: 0o600 });
  spawnSync("sh", ["-c", (refused.advice ?? "").replace("sudo ", "")]);
  assert.equal(asNobody(closed).verdict, "pass", "the fix works");
  spawnSync("chown", ["0:0", path.join(closed, "state.db")]);
  assert.match(String(asNobody(closed).evidence), /state\.db belongs to 0:0 with mode 0600/);
  const missing = asNobody(path.join(dir, "missing", "state"));
  assert.match(String(missing.evidence), new RegExp(`^${dir} belongs to 0:0 with mode 0755`));
  spawnSync("sh", ["-c", (missing.advice ?? "").replace("sudo ", "")]);
  assert.equal(asNobody(path.join(dir, "missing", "state")).verdict, "pass");
});
