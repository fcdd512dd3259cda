import { readFileSync } from "node:fs";
import path from "node:path";
import { PghaulError } from "../errors/pghaul-error.ts";
import { isAvailable, unavailableFaults } from "./available.ts";
import type { Config } from "./config.ts";
import { type Environment, expandEnvironment } from "./expand-environment.ts";
import { resolveConfig } from "./resolve-config.ts";
import type { ParsedConfig } from "./schema.ts";
import { validateConfig } from "./validate.ts";
import { YamlDocument } from "./yaml-document.ts";

export interface ConfigLocation {
  /** The file, relative to the current directory; no other directory is searched. */
  readonly file: string;
  /** Stands above the file's `state.dir`; relative to the current directory. */
  readonly stateDirectory?: string | undefined;
  /** Where `${NAME}` is looked up. */
  readonly environment?: Environment;
}

/** What a command that only looks at local state needs to know; no secret among it. */
export interface StateLocation {
  readonly migration: string;
  readonly directory: string;
  /** Kind of the target. */
  readonly kind: ParsedConfig["target"]["kind"];
}

/**
 * Reads and checks the configuration, every fault at once. Throws CONFIG_NOT_FOUND, CONFIG_INVALID, CONFIG_ENV_MISSING or
 * CONNECTION_STRING_INVALID, each line of the message with file, line, column and key, and none with a value.
 */
export function loadConfig(location: ConfigLocation): Config {
  return loadConfigText(location, readText(location.file));
}

/** The same for a text that is not in the file yet. */
export function loadConfigText(location: ConfigLocation, text: string): Config {
  const { document, parsed } = parseText(location, text, "refuse");
  if (!isAvailable(parsed)) throw document.refuse("CONFIG_INVALID", unavailableFaults(parsed));
  return resolveConfig(parsed, document, stateDirectory(location, parsed));
}

/** Where the migration's state is, without needing any of the secrets: works in a shell where no ${NAME} is set. */
export function loadStateLocation(location: ConfigLocation): StateLocation {
  const { document, parsed } = parseText(location, readText(location.file), "keep");
  if (location.stateDirectory === undefined && parsed.state.dir.includes("${")) {
    throw document.refuse("CONFIG_ENV_MISSING", [{ path: ["state", "dir"], message: "names an environment variable that is not set" }]);
  }
  return { migration: parsed.migration, directory: stateDirectory(location, parsed), kind: parsed.target.kind };
}

function parseText(
  location: ConfigLocation,
  text: string,
  missing: "refuse" | "keep",
): { readonly document: YamlDocument; readonly parsed: ParsedConfig } {
  const document = YamlDocument.parse(location.file, text);
  expandEnvironment(document, location.environment ?? process.env, missing);
  const outcome = validateConfig(document.toValue());
  if ("faults" in outcome) throw document.refuse("CONFIG_INVALID", outcome.faults);
  return { document, parsed: outcome.config };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") throw new PghaulError("CONFIG_NOT_FOUND", `the configuration file ${file} cannot be read (${code})`);
    throw new PghaulError("CONFIG_NOT_FOUND", `there is no configuration file ${path.resolve(file)}`, { suggestion: "pghaul init" });
  }
}

function stateDirectory(location: ConfigLocation, parsed: ParsedConfig): string {
  if (location.stateDirectory !== undefined) return path.resolve(location.stateDirectory);
  return path.resolve(path.dirname(location.file), parsed.state.dir);
}
