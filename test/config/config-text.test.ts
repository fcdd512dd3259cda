import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ConfigAnswers, configText } from "../../src/config/config-text.ts";
import { loadConfigText } from "../../src/config/load-config.ts";

const answers: ConfigAnswers = {
  migration: "orders-move",
  source: "postgresql://s/a",
  target: { kind: "postgres", url: "postgresql://t/b", settings: {} },
  tables: ["public.*"],
  seen: null,
  route: null,
  schema: "schema/pghaul.schema.json",
};
const file = "/anywhere/pghaul.yaml";

test("every setting that is shown commented out is valid, and with its default", () => {
  const text = configText(answers);
  // A commented setting is `# key: value`, `# - item` or an indented form of them; sentences have no colon after their first word.
  const bare = text.replaceAll(/^( *)# ((?: *)(?:- |[\w.]+:(?: |$)).*)$/gm, "$1$2");
  assert.ok(bare.split("\n").filter((line) => /^ *#/.test(line)).length < text.split("\n").filter((line) => /^ *#/.test(line)).length - 15);
  const shown = loadConfigText({ file, environment: {} }, bare);
  const usual = loadConfigText({ file, environment: {} }, text);
  assert.deepEqual(shown.target, { ...usual.target, schema: "move", owners: "keep", privileges: "keep" });
  assert.deepEqual(shown.tables, {
    include: ["public.*"],
    exclude: ["public.tmp_*"],
    overrides: { "public.events": { chunkBytes: 256 * 2 ** 20 } },
  });
  const { businessHours, ...throttle } = shown.throttle;
  assert.deepEqual(throttle, { ...usual.throttle, workers: 4, chunkSeconds: 3, maxReplicaLagSeconds: 10 });
  assert.equal(businessHours?.zone, "Europe/Berlin");
  assert.deepEqual(shown.cutover.gates, usual.cutover.gates);
  assert.equal(shown.cutover.maxStall, usual.cutover.maxStall);
  assert.deepEqual(shown.cutover.routing, [{ kind: "document", file: "/anywhere/route.json" }]);
});

test("any answer comes back as it was given; what was seen stays a comment", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1 }), fc.string({ unit: "binary" }), (name, seen) => {
      // `$${` is how a literal `${` is written; `init` does that.
      const table = `public.${name}x`.replaceAll(/[\n\r\u2028\u2029]/g, "_").replaceAll("$", "_");
      const config = loadConfigText({ file, environment: {} }, configText({ ...answers, tables: [table], seen }));
      assert.deepEqual([config.tables.include, config.source.connection.url], [[table], "postgresql://s/a"]);
    }),
  );
});

test("a route that was given stands in the file, and loads", () => {
  const routing = (route: ConfigAnswers["route"]) =>
    loadConfigText({ file, environment: {} }, configText({ ...answers, route })).cutover.routing;
  assert.deepEqual(routing(null), []);
  assert.deepEqual(routing({ kind: "document", file: '/srv/route "1".json' }), [{ kind: "document", file: '/srv/route "1".json' }]);
  const [hook] = routing({ kind: "hook", program: "/usr/local/bin/route it" });
  assert.deepEqual(hook?.kind === "hook" && hook.command, ["/usr/local/bin/route it"]);
});

test("a target of files: what is chosen stands in the file, and nothing of a switch", () => {
  const target = { kind: "file", url: "file:///srv/orders", settings: { format: "parquet" } } as const;
  const text = configText({ ...answers, target, route: undefined });
  assert.deepEqual(loadConfigText({ file, environment: {} }, text).target, {
    kind: "file",
    directory: "/srv/orders",
    format: "parquet",
    compression: "zstd",
  });
  assert.doesNotMatch(text, /cutover|routing/);
  assert.match(text, /^ {2}compression: zstd$/m);
});
