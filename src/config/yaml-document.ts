import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { PghaulError } from "../errors/pghaul-error.ts";

export type KeyPath = readonly (string | number)[];

/** A thing wrong at a place in the file. Never holds a value: any value may be a secret. */
export interface Fault {
  readonly path: KeyPath;
  readonly message: string;
}

/**
 * The parser's own messages quote the file (an unresolved alias names it, a bad token is shown), and a password stands in it as
 * well as anything; so each code has a sentence of ours.
 */
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_ALIAS: "an alias (*) that no anchor (&) explains; put quotes around a text that begins with *",
  BAD_COLLECTION_TYPE: "a tag that does not fit what follows",
  BAD_DQ_ESCAPE: "an escape that \"...\" does not know; use '...' for text with backslashes",
  BAD_INDENT: "wrong indentation",
  BAD_SCALAR_START: "text that begins with a reserved character; put quotes around it",
  BLOCK_AS_IMPLICIT_KEY: "nested mappings on one line; is an indentation or a pair of quotes missing?",
  BLOCK_IN_FLOW: "an indented block inside {...} or [...]",
  DUPLICATE_KEY: "a key that stands here twice",
  MISSING_CHAR: 'something is missing: a quote, a bracket, a comma or a colon. Inside {...} write "${NAME}" with quotes',
  MULTILINE_IMPLICIT_KEY: "a key over several lines; is a quote or a colon missing?",
  MULTIPLE_DOCS: "a second document; the file holds one",
  TAB_AS_INDENT: "a tab as indentation; use spaces",
  UNEXPECTED_TOKEN: 'something unexpected. Inside {...} write "${NAME}" with quotes',
};

const MOST_ALIASES = 100;

/** A parsed file that still knows where each key stands. */
export class YamlDocument {
  readonly file: string;
  readonly #document: Document;
  readonly #lines: LineCounter;

  private constructor(file: string, document: Document, lines: LineCounter) {
    this.file = file;
    this.#document = document;
    this.#lines = lines;
  }

  /** Parses YAML 1.2. Throws CONFIG_INVALID with line and column. */
  static parse(file: string, text: string): YamlDocument {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const [error] = document.errors;
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw new PghaulError("CONFIG_INVALID", `${file}:${line}:${col}: ${SYNTAX[error.code] ?? "not valid YAML"}`);
    }
    // The parser finds these only when values are taken out, and then throws a text that quotes them.
    visit(document, {
      Alias(_, alias) {
        if (alias.resolve(document) !== undefined) return;
        const { line, col } = lines.linePos(alias.range?.[0] ?? 0);
        throw new PghaulError("CONFIG_INVALID", `${file}:${line}:${col}: ${SYNTAX.BAD_ALIAS}`);
      },
    });
    return new YamlDocument(file, document, lines);
  }

  /** Calls `change` for every text in a value; what it returns takes the text's place. Keys are left alone. */
  mapTexts(change: (text: string, path: KeyPath, quoted: boolean) => unknown): void {
    this.#walk(this.#document.contents, [], change);
  }

  /** The content as plain values; an empty file is an empty mapping. Throws CONFIG_INVALID for aliases that would fill the memory. */
  toValue(): unknown {
    try {
      return this.#document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {};
    } catch {
      throw this.refuse("CONFIG_INVALID", [{ path: [], message: "more aliases than a configuration needs" }]);
    }
  }

  /** One error for all faults, in the order of the file, a line each: `pghaul.yaml:4:3: source.ulr: unknown key`. */
  refuse(code: "CONFIG_INVALID" | "CONFIG_ENV_MISSING", faults: readonly Fault[]): PghaulError {
    const ordered = [...faults].sort((a, b) => this.#offset(a.path) - this.#offset(b.path));
    return new PghaulError(code, ordered.map((fault) => `${this.where(fault.path)}: ${fault.message}`).join("\n"));
  }

  /** `FILE:LINE:COLUMN: KEY` of a key; where the key is not in the file, the place of what should hold it. */
  where(path: KeyPath): string {
    const { line, col } = this.#lines.linePos(this.#offset(path));
    const key = path.map((part, index) => (typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${part}`)).join("");
    return `${this.file}:${line}:${col}${key === "" ? "" : `: ${key}`}`;
  }

  #offset(path: KeyPath): number {
    let node: Node | null | undefined = this.#document.contents as Node | null;
    let offset = node?.range?.[0] ?? 0;
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(this.#document);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
        if (pair === undefined) break;
        offset = (pair.key as Node).range?.[0] ?? offset;
        node = pair.value as Node | null;
      } else if (isSeq(node)) {
        node = node.items[Number(part)] as Node | undefined;
        offset = node?.range?.[0] ?? offset;
      } else break;
    }
    return offset;
  }

  #walk(node: unknown, path: KeyPath, change: (text: string, path: KeyPath, quoted: boolean) => unknown): void {
    if (isMap(node)) {
      for (const { key, value } of node.items) this.#walk(value, [...path, isScalar(key) ? String(key.value) : ""], change);
    } else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) this.#walk(item, [...path, index], change);
    } else if (isScalar(node) && typeof node.value === "string") {
      node.value = change(node.value, path, node.type !== "PLAIN");
    }
  }
}
