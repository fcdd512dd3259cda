import type { Finding } from "./finding.ts";
import type { Module } from "./read-module.ts";

/** One finding for each group of modules that import one another in a circle; types count, for a circle of types is one of ideas. */
export function findCycles(modules: readonly Module[]): Finding[] {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const finished = new Set<string>();
  const findings: Finding[] = [];
  for (const module of modules) visit(module.path, []);
  return findings;

  function visit(path: string, trail: readonly string[]): void {
    const seenAt = trail.indexOf(path);
    if (seenAt !== -1) {
      const circle = [...trail.slice(seenAt), path];
      findings.push({ path, line: 1, rule: "no-cycle", message: circle.join(" -> ") });
      return;
    }
    if (finished.has(path)) return;
    for (const imported of byPath.get(path)?.imports ?? []) if (byPath.has(imported.target)) visit(imported.target, [...trail, path]);
    finished.add(path);
  }
}
