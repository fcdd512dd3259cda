import { stripVTControlCharacters } from "node:util";
import { nearestName } from "../../errors/nearest.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";

/** The command that was being parsed. */
export interface ParsedCommand {
  /** As typed after the binary's name: `cdc start`. */
  readonly id: string;
  /** Names of all its flags, without dashes. */
  readonly flags: readonly string[];
}

/**
 * Turns what oclif's parser throws into one sentence.
 *
 * Only names are repeated, never the values that stood beside them: a mistyped `--pasword` has a password as its neighbour.
 */
export function toUsageError(error: unknown, command: ParsedCommand): PghaulError {
  if (error instanceof PghaulError) return error;
  const unknownFlags = namesIn(error, "flags");
  if (isNamed(error, "NonExistentFlagsError") && unknownFlags.length > 0) return unknownFlagError(unknownFlags, command);
  if (isNamed(error, "UnexpectedArgsError")) return tooManyArguments(namesIn(error, "args").length, command.id);
  return new PghaulError("USAGE", plainMessage(error), { suggestion: `pghaul ${command.id} --help` });
}

export function tooManyArguments(count: number, command: string): PghaulError {
  const words = count === 1 ? "one argument" : `${count} arguments`;
  return new PghaulError("USAGE", `${words} too many after \`pghaul ${command}\``, { suggestion: `pghaul ${command} --help` });
}

function unknownFlagError(raw: readonly string[], command: ParsedCommand): PghaulError {
  const names = raw.map((flag) => flag.split("=", 1)[0] ?? flag);
  const guesses = names.map((name) => {
    const near = nearestName(name.replace(/^-+/, ""), command.flags);
    return near === null ? `unknown flag ${name}` : `unknown flag ${name}; did you mean --${near}?`;
  });
  return new PghaulError("USAGE", guesses.join("\n"), { suggestion: `pghaul ${command.id} --help` });
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.constructor.name === name;
}

function namesIn(error: unknown, field: string): string[] {
  const value: unknown = error instanceof Error ? Reflect.get(error, field) : undefined;
  return Array.isArray(value) ? value.map(String) : [];
}

function plainMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return stripVTControlCharacters(message)
    .replace("See more help with --help", "")
    .replace(/^Parsing (--\S+)\s+/, "$1: ")
    .replace(/\s*\n\s*/g, "\n")
    .trim();
}
