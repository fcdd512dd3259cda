// Compiles src/ to dist/ for the npm package, and writes oclif's manifest so that an installed pghaul starts without importing
// every command. A checkout needs neither: there bin/pghaul.js runs src/ as it is.
import { spawnSync } from "node:child_process";
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Config, Plugin, settings } from "@oclif/core";

const root = fileURLToPath(new URL("../", import.meta.url));

function compile(): number {
  rmSync(`${root}dist`, { recursive: true, force: true });
  const compiler = ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"];
  return spawnSync(process.execPath, compiler, { cwd: root, stdio: "inherit" }).status ?? 1;
}

/** SQL and the like are read at run time, from beside the module that uses them. */
function copyOtherFiles(): void {
  for (const file of globSync("src/**/*.{sql,json}", { cwd: root })) cpSync(root + file, `${root}dist/${file.slice("src/".length)}`);
}

async function writeManifest(): Promise<void> {
  settings.enableAutoTranspile = false;
  const pjson = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  const config = await Config.load({ root, pjson, ignoreManifest: true, errorOnManifestCreate: true });
  const plugin = config.plugins.get(pjson.name);
  if (!(plugin instanceof Plugin)) throw new Error("oclif did not load our own commands");
  writeFileSync(`${root}oclif.manifest.json`, `${JSON.stringify(plugin.manifest, null, 2)}\n`);
}

process.exitCode = compile();
if (process.exitCode === 0) {
  copyOtherFiles();
  await writeManifest();
}
