import assert from "node:assert/strict";
import { test } from "node:test";
import { splitScript } from "../../src/target/postgres/schema/archive/split-script.ts";

const HEAD = "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n\nSET default_tablespace = '';\n\n";

function object(number: number, sql: string): string {
  return `--\n-- TOC entry ${number} (class 1259 OID ${16_000 + number})\n-- Dependencies: 7\n-- Name: x; Type: INDEX; Schema: public; Owner: o\n--\n\n${sql}\n\n\n`;
}

test("each object is a piece with the head before it", () => {
  const pieces = splitScript(HEAD + object(11, "CREATE INDEX a ON t (a);") + object(12, "CREATE INDEX b ON t (b);"), new Set(["11", "12"]));
  assert.deepEqual([...(pieces?.keys() ?? [])], ["11", "12"]);
  assert.ok(pieces?.get("12")?.sql.startsWith(HEAD));
  assert.match(pieces?.get("12")?.sql ?? "", /CREATE INDEX b/);
  assert.doesNotMatch(pieces?.get("12")?.sql ?? "", /CREATE INDEX a/);
});

test("a setting made between two objects holds for all that follow, and not for the one before", () => {
  const script = `${HEAD}${object(1, "CREATE INDEX a ON t (a);")}SET default_tablespace = fast;\n\n${object(2, "CREATE INDEX b ON t (b);")}${object(3, "CREATE INDEX c ON t (c);")}SET default_tablespace = '';\n\n${object(4, "CREATE INDEX d ON t (d);")}`;
  const pieces = splitScript(script, new Set(["1", "2", "3", "4"]));
  const last = (number: string): string | undefined =>
    pieces?.get(number)?.sql.match(/SET default_tablespace = (\S+);(?![\s\S]*SET default_tablespace)/)?.[1];
  assert.deepEqual(["1", "2", "3", "4"].map(last), ["''", "fast", "fast", "''"]);
});

test("such a setting in an object's own text is its text", () => {
  const body = "CREATE RULE r AS ON INSERT TO t DO NOTHING; COMMENT ON RULE r ON t IS '\nSET default_tablespace = fast;\n\nand more';";
  const pieces = splitScript(HEAD + object(1, body) + object(2, "CREATE INDEX b ON t (b);"), new Set(["1", "2"]));
  assert.match(pieces?.get("1")?.sql ?? "", /and more';/);
  assert.doesNotMatch(pieces?.get("2")?.sql ?? "", /fast/);
});

test("of a piece: its statements without header and settings, and what it depends on", () => {
  const script = `${HEAD}${object(1, "CREATE INDEX a ON t (a);")}SET default_tablespace = fast;\n\n${object(2, "COMMENT ON INDEX a IS '\u2028SET default_tablespace = x';")}`;
  const pieces = splitScript(script, new Set(["1", "2"]));
  assert.equal(pieces?.get("1")?.statements, "CREATE INDEX a ON t (a);");
  assert.equal(pieces?.get("2")?.statements, "COMMENT ON INDEX a IS '\u2028SET default_tablespace = x';");
  assert.deepEqual(pieces?.get("2")?.dependsOn, ["7"]);
});

test("a text that looks like the beginning of another object: nobody can tell, so nothing is split", () => {
  const comment = "COMMENT ON INDEX a IS 'see\n--\n-- TOC entry 3 (class 1 OID 2)\n';";
  assert.equal(splitScript(HEAD + object(1, comment) + object(2, "x;"), new Set(["1", "2"])), null);
  assert.equal(splitScript(HEAD + object(1, comment) + object(3, "x;"), new Set(["1", "3"])), null);
  assert.equal(splitScript("SELECT 1;", new Set(["1"])), null);
});
