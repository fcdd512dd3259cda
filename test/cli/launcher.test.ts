import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { children } from "../../scripts/architecture/syntax.ts";
import { runCli, startCli } from "../support/run-cli.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const bin = `${root}bin/pghaul.js`;

/** Makes this Node say that it is another one: always, or only until it hands over. */
function pretend(version: string, until: "always" | "handed-over"): Record<string, string> {
  const condition = until === "always" ? "true" : "!process.env.PGHAUL_HANDED_OVER";
  const code = `if (${condition}) Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
}

test("an old Node without a newer one beside it is told what to do, in one breath", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "pghaul-launcher-"));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "bin"));
  cpSync(bin, join(folder, "bin/pghaul.js"));
  cpSync(`${root}package.json`, join(folder, "package.json"));
  for (const version of ["12.22.0", "20.20.2", "22.17.9"]) {
    const { code, stderr } = await runCli(["status"], { bin: join(folder, "bin/pghaul.js"), env: pretend(version, "always") });
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`^Error: pghaul needs Node 22\\.18 or newer; this is ${version} \\(.*\\)\nTry this: .*\n$`));
  }
});

test("an old Node hands over to the newer one beside it: arguments, output and exit code pass through", async () => {
  for (const version of ["12.22.0", "20.20.2", "22.17.9"]) {
    const { code, stdout } = await runCli(["--version"], { env: pretend(version, "handed-over") });
    assert.equal(code, 0);
    assert.match(stdout, /^pghaul\/\d+\.\d+\.\d+ \S+ node-v2[2-9]/);
  }
  const wrong = await runCli(["frobnicate"], { env: pretend("20.0.0", "handed-over") });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /unknown command: frobnicate/);
});

test("a Node that is new enough starts at once; 22.18 is", async () => {
  const { code } = await runCli(["--version"], { env: pretend("22.18.0", "always") });
  assert.equal(code, 0);
});

test("when the newer Node claims to be old too, it ends instead of going round", async () => {
  const { code, stderr } = await runCli(["--version"], { env: pretend("20.0.0", "always") });
  assert.equal(code, 2);
  assert.match(stderr, /pghaul needs Node/);
});

test("signals reach the Node that was handed over to, and the parent waits for its end", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "pghaul-launcher-"));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "bin"));
  cpSync(bin, join(folder, "bin/pghaul.js"));
  mkdirSync(join(folder, "dist/cli"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(folder, "dist/cli/main.js"),
    `export function main() {
       setInterval(() => {}, 1000);
       process.on("SIGTERM", () => { console.log("saving"); setTimeout(() => process.exit(130), 100); });
       console.log("working");
     }`,
  );
  const handle = startCli([], { bin: join(folder, "bin/pghaul.js"), env: pretend("20.0.0", "handed-over") });
  await handle.waitFor(/working/);
  const { code, signal, stdout } = await handle.kill("SIGTERM");
  assert.deepEqual([code, signal, stdout], [130, null, "working\nsaving\n"]);
});

test("a command that streams begins anew in its own place with a bounded young generation; no other does", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "pghaul-launcher-"));
  context.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "bin"));
  cpSync(bin, join(folder, "bin/pghaul.js"));
  mkdirSync(join(folder, "dist/cli"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const says = "console.log(JSON.stringify({ pid: process.pid, given: process.execArgv, args: process.argv.slice(2) }))";
  writeFileSync(join(folder, "dist/cli/main.js"), `export function main() { ${says}; }`);
  const asked = async (args: readonly string[], env: Record<string, string> = {}) => {
    const { child, done } = startCli(args, { bin: join(folder, "bin/pghaul.js"), env });
    const { stdout, stderr } = await done;
    assert.equal(stderr, "");
    const said = JSON.parse(stdout) as { pid: number; given: string[]; args: string[] };
    assert.deepEqual([said.pid, said.args], [child.pid, args]);
    return said.given;
  };
  for (const args of [["run", "--until", "loaded"], ["run"], ["cdc", "start"], ["snapshot", "run", "--json"]]) {
    assert.match((await asked(args)).join(), /^--max-semi-space-size=\d+$/, args.join(" "));
  }
  for (const args of [["status"], ["verify", "run"], ["cdc", "stop"], []]) assert.deepEqual(await asked(args), []);
  assert.deepEqual(await asked(["run"], { NODE_OPTIONS: "--max-semi-space-size=64" }), [], "an operator's own size stands");
});

test("the launcher holds no syntax that an old Node would refuse before it can say anything", () => {
  const { program, errors } = parseSync("pghaul.js", readFileSync(bin, "utf8"));
  assert.deepEqual(errors, []);
  const tooNew = [...children(program)].filter(
    (node) =>
      ["ChainExpression", "AwaitExpression", "PrivateIdentifier", "PropertyDefinition", "StaticBlock", "ImportAttribute"].includes(
        node.type,
      ) ||
      (node.type === "LogicalExpression" && node.operator === "??") ||
      (node.type === "AssignmentExpression" && /^(?:\?\?|&&|\|\|)=$/.test(String(node.operator))),
  );
  assert.deepEqual(tooNew, []);
  const specifiers = [...children(program)]
    .filter((node) => node.type === "ImportDeclaration")
    .map((node) => (node.source as { value: string }).value);
  assert.ok(specifiers.length > 0);
  assert.deepEqual(
    specifiers.filter((name) => name.startsWith(".") || name.startsWith("node:")),
    [],
  );
});

test("the Node in PATH, however old, runs it", (context) => {
  const path = (process.env.PATH ?? "").split(":").filter((folder) => !folder.includes("node_modules"));
  const { stdout: version } = spawnSync("node", ["--version"], { encoding: "utf8", env: { PATH: path.join(":") } });
  if (version === null || version === "") return context.skip("no Node in PATH outside node_modules");
  const { status, stdout } = spawnSync("node", [bin, "--version"], { encoding: "utf8", env: { PATH: path.join(":") } });
  assert.equal(status, 0);
  assert.match(stdout, /node-v2[2-9]/);
});
