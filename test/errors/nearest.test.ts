import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nearestName } from "../../src/errors/nearest.ts";

const NAMES = ["sslmode", "sslrootcert", "host", "hostaddr", "port", "user", "password"];

describe("nearestName", () => {
  for (const [word, expected] of [
    ["sslmod", "sslmode"],
    ["ssl_mode", "sslmode"],
    ["SSLMode", "sslmode"],
    ["hots", "host"],
    ["pasword", "password"],
    ["passwrod", "password"],
    ["prt", "port"],
    ["schema", null],
    ["x", null],
    ["", null],
    ["s3cr3t", null],
  ] as const)
    it(`${word} -> ${expected}`, () => assert.equal(nearestName(word, NAMES), expected));

  it("prefers the nearer of two", () => assert.equal(nearestName("hostadd", NAMES), "hostaddr"));
  it("has no answer without candidates", () => assert.equal(nearestName("host", []), null));
});
