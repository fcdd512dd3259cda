// Compiles src/ to dist/ for the npm package. A checkout never needs it: there bin/pghaul.js runs src/ as it is.
import { spawnSync } from "node:child_process";
import { cpSync, globSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

rmSync(`${root}dist`, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (status === 0) {
  // Migrations and other SQL are read at run time, from beside the module that uses them.
  for (const file of globSync("src/**/*.sql", { cwd: root })) cpSync(root + file, `${root}dist/${file.slice("src/".length)}`);
}
process.exitCode = status ?? 1;
