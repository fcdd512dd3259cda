import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Commands, candidates, type FlagShape, flagValue } from "../../src/cli/completion/candidates.ts";
import { SHELLS, shellScript } from "../../src/cli/completion/shell-script.ts";
import { openState } from "../../src/state/open-state.ts";
import { TableStore } from "../../src/state/table-store.ts";
import { temporaryFiles } from "../config/temporary-config.ts";
import { runCli } from "../support/run-cli.ts";

const flag = (more: Partial<FlagShape> = {}): FlagShape => ({
  takesValue: true,
  multiple: false,
  options: [],
  summary: "",
  valueName: "X",
  ...more,
});
const COMMANDS: Commands = {
  topics: [
    { name: "cutover", description: "The switch." },
    { name: "empty", description: "No command yet." },
  ],
  commands: [
    {
      id: "cutover run",
      summary: "Switch.",
      flags: { confirm: flag(), json: flag({ takesValue: false }), until: flag({ options: ["loaded", "live"] }) },
      argumentOptions: [],
    },
    { id: "check", summary: "Look.", flags: { table: flag({ multiple: true, valueName: "SCHEMA.TABLE" }) }, argumentOptions: [] },
    { id: "completion", summary: "Print.", flags: {}, argumentOptions: ["bash", "zsh"] },
  ],
};
const NAMES = async () => ({ migration: "pay", tables: ["public.orders", 'shop."v1.items"'] });

const CASES: readonly [words: string[], offered: string[]][] = [
  [[""], ["check", "completion", "cutover"]],
  [["c"], ["check", "completion", "cutover"]],
  [["cut"], ["cutover"]],
  [["cutover", ""], ["run"]],
  [["frobnicate", ""], []],
  [
    ["cutover", "run", "--"],
    ["--confirm", "--json", "--until"],
  ],
  [
    ["cutover", "run", "--json", "--"],
    ["--confirm", "--until"],
  ],
  [["cutover", "run", "--until=live", "--u"], []],
  [
    ["cutover", "run", "--until", "l"],
    ["loaded", "live"],
  ],
  [["cutover", "run", "--until=li"], ["--until=live"]],
  [["cutover", "run", "--json", "lo"], []],
  [["cutover", "run", "--confirm", ""], ["pay"]],
  [["check", "--table", "public.orders", "--table", "s"], ['shop."v1.items"']],
  [
    ["completion", ""],
    ["bash", "zsh"],
  ],
];

for (const [words, offered] of CASES) {
  test(`after "${words.join(" ")}" the Tab key offers ${offered.join(", ") || "nothing"}`, async () => {
    assert.deepEqual(
      (await candidates(words, COMMANDS, NAMES)).map(({ value }) => value),
      offered,
    );
  });
}

test("the configuration named on the line is the one whose names are offered", () => {
  assert.equal(flagValue(["run", "--config", "a.yaml"], "config"), "a.yaml");
  assert.equal(flagValue(["run", "--config=b.yaml"], "config"), "b.yaml");
  assert.equal(flagValue(["run"], "config"), undefined);
});

test("live names: the tables of the state directory, the migration of pghaul.yaml", async (t) => {
  const directory = await migrationWithTables(t, ["public.orders", "public.order lines"]);
  const tables = await runCli(["complete", "--", "verify", "run", "--table", "public.o"], { cwd: directory });
  assert.equal(tables.stdout, "public.orders\ttable\npublic.order lines\ttable\n");
  const migration = await runCli(["complete", "--", "cutover", "run", "--confirm", ""], { cwd: directory });
  assert.equal(migration.stdout, "orders-move\tthis migration\n");
});

test("where nothing can be read the Tab key is silent", async (t) => {
  const directory = temporaryFiles(t, { "pghaul.yaml": "version: [" });
  const { code, stdout, stderr } = await runCli(["complete", "--", "cutover", "run", "--confirm", ""], { cwd: directory });
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

test("bash completes through the script: words, values behind a space and behind =, names with blanks escaped", async (t) => {
  const directory = await migrationWithTables(t, ["public.orders", "public.order lines"]);
  assert.deepEqual(bashOffers("pghaul cutover r", directory), ["rollback", "run"]);
  assert.deepEqual(bashOffers("pghaul run --until=l", directory), ["loaded"]);
  assert.deepEqual(bashOffers("pghaul verify run --table public.o", directory), ["public.orders", "public.order\\ lines"]);
});

test("each shell accepts its script", (t) => {
  const directory = temporaryFiles(t, Object.fromEntries(SHELLS.map((shell) => [shell, shellScript(shell)])));
  for (const shell of SHELLS) {
    const { error, status, stderr } = spawnSync(shell, ["-n", path.join(directory, shell)], { encoding: "utf8" });
    // Only bash is on every machine.
    if (error !== undefined && shell !== "bash") continue;
    assert.equal(status, 0, `${shell}: ${stderr}`);
  }
});

async function migrationWithTables(t: Parameters<typeof temporaryFiles>[0], names: readonly string[]): Promise<string> {
  const directory = temporaryFiles(t, {
    "pghaul.yaml":
      'version: 1\nmigration: orders-move\nsource: { url: "${SOURCE_URL}" }\ntarget: { kind: postgres, url: "${TARGET_URL}" }\n',
  });
  const state = await openState(path.join(directory, ".pghaul"));
  new TableStore(state).plan(
    names.map((id, oid) => ({ id, schema: "public", name: id, oid, columns: [], key: [0], partitioned: false, leaves: [] })),
    ["target"],
  );
  state.close();
  return directory;
}

/** What the script leaves in COMPREPLY when the Tab key is pressed at the end of the line. */
function bashOffers(line: string, cwd: string): string[] {
  const bin = fileURLToPath(new URL("../../bin/pghaul.js", import.meta.url));
  const script = `pghaul() { "${process.execPath}" "${bin}" "$@"; }
${shellScript("bash")}
COMP_LINE="$1" COMP_POINT=\${#1}
read -r -a COMP_WORDS <<<"\${1//=/ = }"
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_pghaul
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, "bash", line], { cwd, encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split("\n").filter((offer) => offer !== "");
}
