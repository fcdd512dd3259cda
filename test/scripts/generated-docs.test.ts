import assert from "node:assert/strict";
import { test } from "node:test";
import { type CommandClass, commandIndex, commandPage } from "../../scripts/docs/command-page.ts";
import { configurationPage } from "../../scripts/docs/configuration-page.ts";
import { errorsPage } from "../../scripts/docs/errors-page.ts";
import { exitCodesPage } from "../../scripts/docs/exit-codes-page.ts";
import { manPage } from "../../scripts/docs/man-page.ts";
import { configJsonSchema } from "../../src/config/schema.ts";
import { ERROR_CODES } from "../../src/errors/codes.ts";
import { EXIT_CODES } from "../../src/errors/policy.ts";
import Start from "../cli/fixtures/commands/cdc/start.ts";
import Differ from "../cli/fixtures/commands/differ.ts";
import { assertGolden } from "../cli/golden.ts";

test("a command's page holds its flags, examples, exit codes and environment", () => {
  assertGolden("command-page.md", commandPage("cdc start", Start as unknown as CommandClass));
});

test("a command without flags of its own has a page too", () => {
  const page = commandPage("differ", Differ as unknown as CommandClass);
  assert.match(page, /^# pghaul differ$/m);
  assert.doesNotMatch(page, /^## Flags$/m);
});

test("the index links every command", () => {
  const index = commandIndex(new Map([["cdc start", Start as unknown as CommandClass]]));
  assert.match(index, /\| \[pghaul cdc start\]\(cdc-start\.md\) \| Starts tail and apply\. \|/);
});

test("the manual page holds every command with its flags, and roff takes no text of ours for a request", () => {
  const page = manPage(new Map([["cdc start", Start as unknown as CommandClass]]), "1.2.3");
  assert.match(page, /^\.TH PGHAUL 1 "" "pghaul 1\.2\.3" "User Commands"$/m);
  assert.match(page, /^\.SS "pghaul cdc start"\nStarts tail and apply\.$/m);
  assert.match(page, /^\\fB\\-\\-config\\fR \\fIFILE\\fR$/m);
  for (const line of page.trimEnd().split("\n")) assert.match(line, /^(?:\.(?:\\" |TH |SH |SS |TP$|PP$|B |BR |I )|[^.'])/, line);
});

test("every error code and every exit code is in the reference", () => {
  const [errors, exits] = [errorsPage(), exitCodesPage()];
  for (const [code, { title, help }] of Object.entries(ERROR_CODES)) {
    assert.ok(errors.includes(`## ${code}\n\n${title}.`), code);
    assert.ok(errors.includes(help), code);
    assert.ok(exits.includes(`[${code}](errors.md#${code.toLowerCase()})`), code);
  }
  for (const [kind, code] of Object.entries(EXIT_CODES)) assert.ok(exits.includes(`| ${code} | ${kind} |`), kind);
});

test("every error code tells what to do, in a sentence", () => {
  for (const [code, { title, help }] of Object.entries(ERROR_CODES)) {
    assert.match(title, /^[A-Z].*[^.]$/, code);
    assert.match(help, /^.{10,}[.;]$/, code);
  }
});

test("every key of the configuration is in the reference, with an example, and what is refused says so", () => {
  const page = configurationPage();
  const keys = new Set<string>();
  JSON.stringify(configJsonSchema(), (name, value) => {
    if (name === "properties") for (const key of Object.keys(value as object)) keys.add(key);
    return value;
  });
  assert.ok(keys.size > 50);
  const isThere = (key: string) =>
    new RegExp(`^\\| \`${key}\` \\|.*\`${key}: .+\` \\|$|^## \`(?:.*\\.)?${key}\\b|Keys: .*\`${key}\``, "m").test(page);
  // Of a shard, which is not there yet.
  assert.deepEqual(
    [...keys].filter((key) => !isThere(key)),
    ["name"],
  );
  assert.match(page, /^\| `maxStall` \| duration \| `250ms` \| Longest .* \| `maxStall: 2s` \|$/m);
  assert.match(page, /^\| `replicaUrl` \|.*\*Not yet\.\*/m);
  assert.doesNotMatch(page, /^\| `passwordFile` \|.*\*Not yet/m);
});
