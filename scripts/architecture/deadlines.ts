import type { Finding } from "./finding.ts";
import type { Module } from "./read-module.ts";

/** Deadlines of tests that do not grow with the machine's load: they fail beside another suite and say nothing of what is tested. */
export function checkDeadlines(modules: readonly Module[]): Finding[] {
  return modules
    .filter(({ path }) => path.startsWith("test/") && !path.includes("/fixtures/"))
    .flatMap(({ path, bareDeadlines }) =>
      bareDeadlines.map((line) => ({
        path,
        line,
        rule: "bare-deadline",
        message: "a deadline goes through deadline() of test/support/deadline.ts",
      })),
    );
}
