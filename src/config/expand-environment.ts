import type { Fault, KeyPath, YamlDocument } from "./yaml-document.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$(\$\{|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{)/g;

/**
 * Puts environment variables in the place of `${NAME}`; `$${` stands for a literal `${`. It works on parsed values, so nothing in
 * a variable can add a key or a comment. A plain `${NAME}` without quotes is then read as YAML would read it: `workers: ${N}` is a number.
 *
 * `missing: "keep"` leaves references to unset variables as they are (for commands that need no secret); otherwise
 * CONFIG_ENV_MISSING names each key and variable, never a value.
 */
export function expandEnvironment(document: YamlDocument, environment: Environment, missing: "refuse" | "keep"): void {
  const absent: Fault[] = [];
  const malformed: Fault[] = [];
  document.mapTexts((text, path, quoted) => {
    const expanded = text.replaceAll(REFERENCE, (match: string, rest: string, name: string | undefined) => {
      if (rest === "${") return "${";
      if (name === undefined) {
        malformed.push({ path, message: "${ must be followed by a name and }; write $${ for a literal ${" });
        return match;
      }
      // An empty variable is a forgotten one: an empty connection string would silently mean "this machine".
      const value = environment[name];
      if (value !== undefined && value !== "") return value;
      absent.push(absentFault(path, name, value));
      return match;
    });
    return quoted || expanded === text || !/^\$\{\w+\}$/.test(text) ? expanded : asPlainScalar(expanded);
  });
  if (malformed.length > 0) throw document.refuse("CONFIG_INVALID", malformed);
  if (absent.length > 0 && missing === "refuse") throw document.refuse("CONFIG_ENV_MISSING", absent);
}

function absentFault(path: KeyPath, name: string, value: string | undefined): Fault {
  return { path, message: `the environment variable ${name} is ${value === undefined ? "not set" : "empty"}` };
}

function asPlainScalar(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text;
}
