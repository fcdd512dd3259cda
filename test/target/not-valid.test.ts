import assert from "node:assert/strict";
import { test } from "node:test";
import { notValid } from "../../src/target/postgres/schema/not-valid.ts";
import { deadline } from "../support/deadline.ts";

const KEY = 'ALTER TABLE ONLY public.lines\n    ADD CONSTRAINT "a;-b" FOREIGN KEY (o) REFERENCES public.orders(id)';

function script(name: string, end: string): string {
  return `--\n-- TOC entry 3 (class 2606 OID 16397)\n-- Name: lines ${name}; Type: FK CONSTRAINT; Schema: public\n--\n\n${KEY};\n${end}`;
}

test("only the statement that adds the key is changed, whatever comments surround it", () => {
  for (const end of ["", "\n\n", "\n\n-- Completed on 2026-11-26 20:00:00 UTC\n\n--\n-- PostgreSQL database dump complete\n--\n\n"]) {
    assert.equal(notValid(script("a;-b", end)), script("a;-b", end).replace(`${KEY};`, `${KEY} not valid;`));
  }
});

test("a name of many dashes takes no longer than another", { timeout: deadline(5_000) }, () => {
  const name = `a ${"-".repeat(60)} ; ${"- ".repeat(5_000)}`;
  assert.ok(notValid(script(name, "")).endsWith(`${KEY} not valid;\n`));
});
