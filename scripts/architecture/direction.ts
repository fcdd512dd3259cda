import type { Finding } from "./finding.ts";
import type { Module, ModuleImport } from "./read-module.ts";

/** Who may import whom; the table itself stands at the top of `check-architecture.ts`. */
export interface Layers {
  /** For each folder of src/ the other folders that it may import. */
  readonly allowed: Readonly<Record<string, readonly string[]>>;
  /** Folders whose sub-folders are adapters that never import one another. */
  readonly adapters: readonly string[];
  /** Files that hold only contracts (types, and the errors that an implementer throws), and the folders that may name them. */
  readonly contracts: readonly RegExp[];
  readonly contractReaders: readonly string[];
  /** Packages that only `import()` may load. */
  readonly lazyPackages: readonly RegExp[];
}

export function checkDirection(module: Module, layers: Layers): Finding[] {
  return module.imports.flatMap((imported) => {
    const breach = breachOf(module.path, imported, layers);
    return breach === null ? [] : [{ path: module.path, line: imported.line, ...breach }];
  });
}

type Breach = Pick<Finding, "rule" | "message">;

function breachOf(path: string, imported: ModuleImport, layers: Layers): Breach | null {
  const test = breachOfTests(path, imported.target);
  if (test !== null) return test;
  if (!path.startsWith("src/")) return null;
  if (!imported.lazy && !imported.typeOnly && layers.lazyPackages.some((name) => name.test(imported.target))) {
    return { rule: "lazy-import", message: `load ${imported.target} with import() where it is used` };
  }
  return imported.target.startsWith("src/") ? breachOfLayers(path, imported, layers) : null;
}

/** Demo and bench may start the servers of test/support; nobody else sees the tests. */
function breachOfTests(path: string, target: string): Breach | null {
  if (!target.startsWith("test/") || path.startsWith("test/")) return null;
  if (/^(?:demo|bench)\//.test(path) && target.startsWith("test/support/")) return null;
  return { rule: "no-test-import", message: `${target} is for tests` };
}

function breachOfLayers(path: string, imported: ModuleImport, layers: Layers): Breach | null {
  const { target } = imported;
  const [from, to] = [folderOf(path), folderOf(target)];
  const allowed = layers.allowed[from];
  if (allowed === undefined) return { rule: "unknown-folder", message: `src/${from} is not in the table of scripts/check-architecture.ts` };
  if (from === to) return breachOfAdapters(path, target, layers);
  if (allowed.includes(to)) return null;
  if (layers.contractReaders.includes(from) && layers.contracts.some((contract) => contract.test(target))) return null;
  return { rule: "direction", message: `${from} must not import ${to} (${target})` };
}

function breachOfAdapters(path: string, target: string, layers: Layers): Breach | null {
  const [from, to] = [adapterOf(path), adapterOf(target)];
  if (!layers.adapters.includes(folderOf(path)) || from === null || to === null || from === to) return null;
  return { rule: "adapter", message: `adapter ${from} must not import adapter ${to} (${target})` };
}

function folderOf(path: string): string {
  return path.split("/")[1] ?? "";
}

/** `postgres` of `src/target/postgres/apply.ts`; null for a file right in `src/target`. */
function adapterOf(path: string): string | null {
  const parts = path.split("/");
  return parts.length > 3 ? (parts[2] ?? null) : null;
}
