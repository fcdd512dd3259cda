import type { Finding } from "./finding.ts";
import type { Module, ModuleExport } from "./read-module.ts";

/** Loaded by oclif by their path; nobody imports them. */
const ENTRY_POINTS = /^src\/(?:commands\/.*|cli\/main|cli\/frame\/(?:help|command-not-found))\.ts$/;

/** Files whose exports the product does not use yet, and what will. */
export type AwaitedUse = Readonly<Record<string, string>>;

/** Exports of src/ that nobody needs: dead code, or a function that need not be exported. */
export function findDeadExports(modules: readonly Module[], awaited: AwaitedUse = {}): Finding[] {
  const [inProduct, anywhere] = [importedNames(modules.filter(isProduct)), importedNames(modules)];
  const candidates = modules.filter(({ path }) => path.startsWith("src/") && !ENTRY_POINTS.test(path));
  const dead = candidates.flatMap((module) =>
    module.exports.flatMap((entry) => {
      if (isImported(inProduct, module.path, entry)) return [];
      const message = verdict(entry, isImported(anywhere, module.path, entry));
      return message === null ? [] : [{ path: module.path, line: entry.line, rule: "dead-export", message }];
    }),
  );
  const idle = Object.keys(awaited).filter((path) => !dead.some((finding) => finding.path === path));
  return [
    ...dead.filter(({ path }) => !(path in awaited)),
    ...idle.map((path) => ({ path, line: 1, rule: "dead-export", message: "awaits no use any more: take it off the list" })),
  ];
}

/** A type that the file itself uses names a part of an exported signature, and stays. */
function verdict(entry: ModuleExport, tested: boolean): string | null {
  if (!entry.usedInside) return `${entry.name} is used ${tested ? "by tests only" : "nowhere"}`;
  return tested || entry.typeOnly ? null : `${entry.name} need not be exported`;
}

function isProduct(module: Module): boolean {
  return !module.path.startsWith("test/");
}

type ImportedNames = ReadonlyMap<string, ReadonlySet<string> | "all">;

function importedNames(modules: readonly Module[]): ImportedNames {
  const imported = new Map<string, Set<string> | "all">();
  for (const { target, names } of modules.flatMap((module) => module.imports)) {
    const known = imported.get(target) ?? new Set<string>();
    if (names === null || known === "all") imported.set(target, "all");
    else imported.set(target, new Set([...known, ...names]));
  }
  return imported;
}

function isImported(imported: ImportedNames, path: string, entry: ModuleExport): boolean {
  const names = imported.get(path);
  return names === "all" || (names?.has(entry.name) ?? false);
}
