import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { readService } from "../../src/postgres/service-file.ts";

let dir = "";
const at = (name: string) => path.join(dir, name);
const files = (...names: string[]) => names.map((name) => ({ path: at(name), required: false }));
before(() => {
  dir = mkdtempSync(path.join(tmpdir(), "pghaul-service-"));
  writeFileSync(
    at("user"),
    `# comment
[first]
host=one
  port=5433
host=second-does-not-count

# another
[second]
dbname=two words
password= leading blank and = kept
[broken]
hots=x
[nosign]
host
[nested]
service=first
[third]\r
user=me\r
[first]
host=only-the-first-section-counts
`,
  );
  writeFileSync(at("system"), "[first]\nhost=system\n[only-system]\nhost=system\n");
});
after(() => rmSync(dir, { recursive: true }));

describe("readService", () => {
  const read = (service: string) => ({ ...readService(service, files("user", "system")) });

  it("reads its section and no other", () => assert.deepEqual(read("first"), { host: "one", port: "5433" }));
  it("keeps the value as it stands after the first =", () =>
    assert.deepEqual(read("second"), { dbname: "two words", password: " leading blank and = kept" }));
  it("takes Windows line ends", () => assert.deepEqual(read("third"), { user: "me" }));
  it("goes to the system's file only for what the user's lacks", () => assert.deepEqual(read("only-system"), { host: "system" }));
  it("passes over a missing file", () => assert.deepEqual({ ...readService("first", files("nowhere", "system")) }, { host: "system" }));
  it("but not over one that was named", () =>
    assert.throws(() => readService("first", [{ path: at("nowhere"), required: true }, ...files("system")]), {
      code: "CONNECTION_STRING_INVALID",
      message: /nowhere does not exist/,
    }));

  for (const [service, message] of [
    ["missing", /service "missing" is not defined in .*user or .*system/],
    ["broken", /line 12 of .*user has an unknown parameter "hots"; did you mean "host"\?/],
    ["nosign", /line 14 of .* name=value/],
    ["nested", /another service/],
  ] as const)
    it(`refuses ${service}`, () => assert.throws(() => read(service), { code: "CONNECTION_STRING_INVALID", message }));

  it("says when a file cannot be read", { skip: process.getuid?.() === 0 ? "root can read everything" : false }, () => {
    writeFileSync(at("closed"), "");
    chmodSync(at("closed"), 0);
    assert.throws(() => readService("x", files("closed")), /cannot be read/);
  });
});
