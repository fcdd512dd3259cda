import type { Finding } from "./finding.ts";
import type { Module } from "./read-module.ts";

/** Where no server's language is spoken, and who alone knows the kinds of targets. */
export interface Seam {
  /** Folders that ask through contracts. */
  readonly speechless: readonly string[];
  /** Folders of conditions, which ask typed facts and nobody else. */
  readonly conditions: readonly string[];
  /** What speaks to a server: a condition that imports any of it would ask by itself. */
  readonly speakers: RegExp;
  /** An adapter's own folder: `src/target/KIND/...`. */
  readonly adapter: RegExp;
  /** Names each adapter once. */
  readonly registry: string;
}

/** Statements run, speakers and adapters imported, where a contract stands between. */
export function checkSeam(module: Module, { speechless, conditions, speakers, adapter, registry }: Seam): Finding[] {
  const { path } = module;
  if (!path.startsWith("src/")) return [];
  const statements = speechless.some((folder) => path.startsWith(folder)) ? module.queries : [];
  const adapters = adapter.test(path) || path === registry ? [] : module.imports.filter(({ target }) => adapter.test(target));
  const asked = conditions.some((folder) => path.startsWith(folder)) ? module.imports.filter(({ target }) => speakers.test(target)) : [];
  return [
    ...asked.map(({ line, target }) => ({
      path,
      line,
      rule: "facts-only",
      message: `a condition asks typed facts (src/conditions), answered in side/postgres/facts; ${target} would let it ask by itself`,
    })),
    ...statements.map((line) => ({ path, line, rule: "no-sql", message: "a statement stands in side/, source/ or a target's adapter" })),
    ...adapters.map(({ line, target }) => ({
      path,
      line,
      rule: "one-registry",
      message: `${target} is an adapter; only ${registry} knows it`,
    })),
  ];
}
