import { z } from "zod";
import { nearestName } from "../errors/nearest.ts";
import { configSchema, type ParsedConfig } from "./schema.ts";
import type { Fault, KeyPath } from "./yaml-document.ts";

const EXPECTED: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** Checks a parsed file. Returns the configuration, or every fault in it, in words that name no value. */
export function validateConfig(value: unknown): { readonly config: ParsedConfig } | { readonly faults: readonly Fault[] } {
  const knownKeys = new Map<string, readonly string[]>();
  const result = configSchema.safeParse(value, {
    error: (issue) => {
      // Only here does zod show which object refused the key; the finished issue no longer says.
      if (issue.code === "unrecognized_keys" && issue.inst instanceof z.ZodObject)
        knownKeys.set(pathKey(issue.path), Object.keys(issue.inst.shape));
      return sentence(issue);
    },
  });
  if (result.success) return { config: result.data };
  return {
    faults: result.error.issues.flatMap((issue) => {
      const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
      if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
      const known = knownKeys.get(pathKey(issue.path)) ?? [];
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known) }));
    }),
  };
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearestName(key, known);
  return near === null ? `unknown key; known here are ${known.join(", ")}` : `unknown key; did you mean ${near}?`;
}

/** Undefined: the schema's own message stands. */
function sentence(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return "is missing";
      return `must be ${EXPECTED[issue.expected] ?? issue.expected}, not ${issue.expected === "int" && typeof issue.input === "number" ? "a fraction" : kindOf(issue.input)}`;
    case "invalid_value":
      return issue.input === undefined ? "is missing" : oneOf(issue.values.map(String), issue.input);
    case "invalid_union":
      return unionSentence(issue.input, issue.discriminator, issue.options);
    case "too_small":
      return issue.origin === "number" || issue.origin === "int"
        ? `must be ${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`
        : "must not be empty";
    case "too_big":
      return `must be ${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
    default:
      return undefined;
  }
}

function unionSentence(input: unknown, discriminator: unknown, options: unknown): string | undefined {
  if (typeof discriminator !== "string" || !Array.isArray(options)) return undefined;
  const given: unknown = typeof input === "object" && input !== null ? Reflect.get(input, discriminator) : undefined;
  return given === undefined ? `is missing; it is one of ${options.join(", ")}` : oneOf(options.map(String), given);
}

function oneOf(options: readonly string[], given: unknown): string {
  const near = typeof given === "string" ? nearestName(given, options) : null;
  const list = options.length === 1 ? `must be ${options[0]}` : `must be one of ${options.join(", ")}`;
  return near === null || options.length === 1 ? list : `${list}; did you mean ${near}?`;
}

function kindOf(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  switch (typeof value) {
    case "string":
      return "a text";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    default:
      return "a mapping";
  }
}

function pathKey(path: KeyPath | readonly PropertyKey[] | undefined): string {
  return JSON.stringify((path ?? []).map(String));
}
