import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { paragraphsOf } from "../../src/cli/frame/help.ts";
import { runCli } from "../support/run-cli.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A text without its line breaks and indentation, which differ between a terminal and a page. */
function flowing(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** The cells of every table row of a page, heads and rules left out. */
function rows(page: string): string[][] {
  return page
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (?:---|flag|code|variable|argument) /.test(line))
    .map((line) => line.slice(2, -2).split(/ (?<!\\)\| /));
}

/** What a page says of a flag, without the notes that the terminal's help puts elsewhere. */
function meaning(cell: string): string {
  return cell.replace(/ ?(?:Default|Environment): `[^`]*`\.| ?Required\.| ?May be given more than once\./g, "");
}

test("what a terminal shows for --help is what the documents say: the whole description, every flag, example and exit code", async (context) => {
  const pages = globSync("docs/commands/*.md", { cwd: root }).filter((file) => !file.endsWith("README.md"));
  assert.ok(pages.length > 20);
  for (const file of pages) {
    await context.test(file, async () => {
      const page = readFileSync(root + file, "utf8");
      const id = /^# pghaul (.*)$/m.exec(page)?.[1] ?? "";
      const { code, stdout } = await runCli([...id.split(" "), "--help"]);
      assert.equal(code, 0);
      const help = flowing(stdout);
      const [, prose = ""] = /^# pghaul .*\n\n([\s\S]*?)\n\n```sh/m.exec(page) ?? [];
      for (const paragraph of paragraphsOf(prose)) assert.ok(help.includes(flowing(paragraph)), `${paragraph}\n\nis not in\n\n${stdout}`);
      for (const [first = "", second = ""] of rows(page)) {
        const name = /^`?(-{0,2}[\w-]+)/.exec(first)?.[1] ?? "";
        assert.ok(help.includes(name), `${name} is not in\n\n${stdout}`);
        if (name !== "--json") assert.ok(help.includes(flowing(meaning(second))), `${name}: ${second}\n\nis not in\n\n${stdout}`);
      }
      for (const [, example = ""] of page.matchAll(/```sh\n\$ (pghaul .*)\n/g)) {
        if (!example.endsWith("[FLAGS]")) assert.ok(help.includes(flowing(example)), `${example} is not in\n\n${stdout}`);
      }
    });
  }
});

test("a description keeps its paragraphs and loses the line breaks of the source", () => {
  assert.deepEqual(paragraphsOf("one\ntwo\n\n three\n"), ["one two", "three"]);
});

test("every topic that the help lists has commands", () => {
  const { oclif } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  const topics = Object.keys(oclif.topics);
  assert.ok(topics.length > 3);
  for (const topic of topics)
    assert.notDeepEqual(globSync(`src/commands/${topic}/*.ts`, { cwd: root }), [], `the topic ${topic} has no command`);
});
