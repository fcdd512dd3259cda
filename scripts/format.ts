// Formats what is given (default: everything) and applies the linter's safe fixes.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const paths = process.argv.slice(2);
const command = ["node_modules/@biomejs/biome/bin/biome", "check", "--write", ...(paths.length === 0 ? ["."] : paths)];
process.exitCode = spawnSync(process.execPath, command, { cwd: root, stdio: "inherit" }).status ?? 1;
