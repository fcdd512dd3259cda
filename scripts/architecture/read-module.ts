import { posix } from "node:path";
import { parseSync } from "oxc-parser";
import { findBareDeadlines } from "./bare-deadlines.ts";
import type { Finding } from "./finding.ts";
import { type AstNode, children, isNode } from "./syntax.ts";

/** An import, static or `import()`, of one module by another. */
export interface ModuleImport {
  /** `src/model/lsn.ts` for a relative import, else the package as written: `pg`, `node:fs`. */
  readonly target: string;
  readonly line: number;
  /** Exported names that are taken; `null` stands for all of them (namespace, `import()`). */
  readonly names: readonly string[] | null;
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

export interface ModuleExport {
  readonly name: string;
  readonly line: number;
  readonly typeOnly: boolean;
  /** The file itself uses what it exports. */
  readonly usedInside: boolean;
}

export interface ModuleFunction {
  readonly line: number;
  readonly lines: number;
  readonly parameters: number;
}

/** What the rules need to know of one file. */
export interface Module {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  readonly functions: readonly ModuleFunction[];
  /** Lines on which a statement is handed to a server: `x.query(...)`. */
  readonly queries: readonly number[];
  /** Lines of numbers that limit how long something may take. */
  readonly bareDeadlines: readonly number[];
  /** What can be judged by the file alone: syntax errors and re-exports. */
  readonly findings: readonly Finding[];
}

/** Parses one TypeScript or JavaScript file; `path` is relative to the repository's root, with forward slashes. */
export function readModule(path: string, text: string): Module {
  const parsed = parseSync(path, text);
  const lineOf = lineCounter(text);
  const nodes = [...children(parsed.program)];
  const broken = parsed.errors.map((error) => ({
    path,
    line: lineOf(error.labels[0]?.start ?? 0),
    rule: "syntax",
    message: error.message,
  }));
  const entries = parsed.module.staticExports.flatMap((statement) => statement.entries);
  const reExports = entries.filter((entry) => entry.moduleRequest !== null);
  return {
    path,
    lines: text.split("\n").length - (text.endsWith("\n") ? 1 : 0),
    imports: [...staticImports(path, parsed.module.staticImports, lineOf), ...lazyImports(path, nodes, lineOf)],
    exports: entries
      .filter((entry) => entry.moduleRequest === null)
      .map((entry) => ({
        name: entry.exportName.kind === "Default" ? "default" : (entry.exportName.name ?? ""),
        line: lineOf(entry.start),
        typeOnly: entry.isType,
        usedInside: references(nodes, entry.localName.name ?? "") > 1,
      })),
    functions: nodes.filter(isFunction).map((node) => ({
      line: lineOf(node.start),
      lines: lineOf(node.end) - lineOf(node.start) + 1,
      parameters: Array.isArray(node.params) ? node.params.length : 0,
    })),
    queries: nodes.filter(isQuery).map((node) => lineOf(node.start)),
    bareDeadlines: findBareDeadlines(nodes).map((node) => lineOf(node.start)),
    findings: [
      ...broken,
      ...reExports.map((entry) => ({
        path,
        line: lineOf(entry.start),
        rule: "no-barrel",
        message: "import from where it is defined, not through here",
      })),
    ],
  };
}

function isQuery({ type, callee }: AstNode): boolean {
  if (type !== "CallExpression" || !isNode(callee) || callee.type !== "MemberExpression") return false;
  return isNode(callee.property) && callee.property.name === "query";
}

type StaticImports = ReturnType<typeof parseSync>["module"]["staticImports"];

function staticImports(path: string, imports: StaticImports, lineOf: (offset: number) => number): ModuleImport[] {
  return imports.map((statement) => ({
    target: resolveTarget(path, statement.moduleRequest.value),
    line: lineOf(statement.start),
    names: statement.entries.some((entry) => entry.importName.kind === "NamespaceObject")
      ? null
      : statement.entries.map((entry) => (entry.importName.kind === "Default" ? "default" : (entry.importName.name ?? ""))),
    typeOnly: statement.entries.length > 0 && statement.entries.every((entry) => entry.isType),
    lazy: false,
  }));
}

/** `import("x")` as an expression and as a type. */
function lazyImports(path: string, nodes: readonly AstNode[], lineOf: (offset: number) => number): ModuleImport[] {
  return nodes.flatMap((node) => {
    if (node.type !== "ImportExpression" && node.type !== "TSImportType") return [];
    const source = node.source ?? node.argument;
    const value = isNode(source) ? source.value : undefined;
    if (typeof value !== "string") return [];
    return [
      { target: resolveTarget(path, value), line: lineOf(node.start), names: null, typeOnly: node.type === "TSImportType", lazy: true },
    ];
  });
}

function resolveTarget(from: string, specifier: string): string {
  return specifier.startsWith(".") ? posix.join(posix.dirname(from), specifier) : specifier;
}

/** How often a name is mentioned as a name: not as a property (`a.name`) and not as a key (`{ name: 1 }`). */
function references(nodes: readonly AstNode[], name: string): number {
  const properties = new Set<unknown>();
  for (const node of nodes) {
    if (node.type === "MemberExpression" && node.computed !== true) properties.add(node.property);
    if (node.type === "Property" && node.computed !== true && node.shorthand !== true) properties.add(node.key);
  }
  return nodes.filter((node) => node.type === "Identifier" && node.name === name && !properties.has(node)).length;
}

function isFunction(node: AstNode): boolean {
  return node.type === "FunctionDeclaration" || node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression";
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next === -1 ? starts.length : next;
  };
}
