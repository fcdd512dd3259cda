// Writes the reference that the code already holds: docs/commands/, docs/conditions.md, docs/configuration.md,
// docs/errors.md, docs/exit-codes.md, the manual page and the JSON Schema of pghaul.yaml. With --check it writes nothing and ends with 1 when a file is stale.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type CommandClass, commandIndex, commandPage } from "./docs/command-page.ts";
import { conditionsPage } from "./docs/conditions-page.ts";
import { configurationPage } from "./docs/configuration-page.ts";
import { errorsPage } from "./docs/errors-page.ts";
import { exitCodesPage } from "./docs/exit-codes-page.ts";
import { manPage } from "./docs/man-page.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Text of each generated file by its path. */
async function generate(): Promise<Map<string, string>> {
  const pages = new Map<string, string>([
    ["docs/conditions.md", conditionsPage()],
    ["docs/configuration.md", configurationPage()],
    ["docs/errors.md", errorsPage()],
    ["docs/exit-codes.md", exitCodesPage()],
  ]);
  const commands = await loadCommands();
  for (const [id, command] of commands) pages.set(`docs/commands/${id.replaceAll(" ", "-")}.md`, commandPage(id, command));
  pages.set("docs/commands/README.md", commandIndex(commands));
  const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { version: string };
  pages.set("man/pghaul.1", manPage(commands, version));
  const { configJsonSchema } = await import("../src/config/schema.ts");
  pages.set("schema/pghaul.schema.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return pages;
}

/** The class of every command that people type, by its id as typed: `cdc start`. */
async function loadCommands(): Promise<Map<string, CommandClass>> {
  const commands = new Map<string, CommandClass>();
  for (const file of globSync("src/commands/**/*.ts", { cwd: root }).sort()) {
    const id = file.slice("src/commands/".length, -".ts".length).replaceAll("/", " ");
    const loaded = (await import(pathToFileURL(root + file).href)) as { default?: CommandClass };
    if (loaded.default === undefined) throw new Error(`${file} has no default export: a command must have one`);
    if (!loaded.default.hidden) commands.set(id, loaded.default);
  }
  return commands;
}

function findStale(pages: ReadonlyMap<string, string>): string[] {
  const changed = [...pages].filter(([path, text]) => !existsSync(root + path) || readFileSync(root + path, "utf8") !== text);
  return [...changed.map(([path]) => path), ...leftOver(pages)];
}

/** Pages of commands that are gone. */
function leftOver(pages: ReadonlyMap<string, string>): string[] {
  return globSync("docs/commands/*.md", { cwd: root }).filter((path) => !pages.has(path));
}

const pages = await generate();
const stale = findStale(pages);
if (process.argv.includes("--check")) {
  for (const path of stale) console.log(`${path} is stale: npm run docs`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const path of leftOver(pages)) rmSync(root + path);
  for (const [path, text] of pages) {
    mkdirSync(dirname(root + path), { recursive: true });
    writeFileSync(root + path, text);
  }
  console.log(`${pages.size} files, ${stale.length} of them changed`);
}
