import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type ConfigAnswers, configText, type RouteAnswer } from "../../config/config-text.ts";
import { loadConfigText } from "../../config/load-config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { formatBytes } from "../../observe/units.ts";
import { connectionAnswer, parsedAnswer } from "./connection-answer.ts";
import { describeSource, lookAtSource, type SourceSight } from "./look-at-source.ts";

export interface InitRequest {
  readonly file: string;
  /** Undefined: made from the name of the source's database. */
  readonly migration: string | undefined;
  /** Connection strings as given; they may hold `${NAME}`. */
  readonly source: string;
  readonly target: string;
  readonly tables: readonly string[];
  readonly route: RouteAnswer | null;
  readonly force: boolean;
  /** Absolute path of the JSON Schema. */
  readonly schema: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Hears what the operator should know of what was seen. */
  readonly bus: ProgressBus;
}

export interface InitResult {
  readonly file: string;
  readonly migration: string;
  readonly source: SourceSight;
  /** False: a switch needs `cutover.routing` first. */
  readonly routed: boolean;
  /** Variables that the file refers to and that are not set now. */
  readonly missing: readonly string[];
}

/** Refuses early, before anybody is asked anything. Throws USAGE. */
export function refuseExisting(file: string, force: boolean): void {
  if (force || !existsSync(file)) return;
  throw new PghaulError("USAGE", `${file} already exists`, { suggestion: "pghaul init --force" });
}

/**
 * Looks at the source and writes the file: a connection string with a password in it becomes a reference, `${SOURCE_URL}` or
 * `${TARGET_URL}`, and the password stays out of the file. Writes nothing when the source cannot be reached or the text would not load.
 */
export async function initConfig(request: InitRequest): Promise<InitResult> {
  const { file, environment } = request;
  refuseExisting(file, request.force);
  const source = connectionAnswer(request.source, "SOURCE_URL", environment);
  const target = connectionAnswer(request.target, "TARGET_URL", environment);
  const answers: ConfigAnswers = {
    migration: request.migration ?? suggestName(request.source, environment) ?? refuseNameless(),
    source: source.text,
    target: target.text,
    tables: request.tables,
    seen: null,
    route: request.route,
    schema: path.relative(path.dirname(path.resolve(file)), request.schema),
  };
  const given = { ...environment, ...source.variables, ...target.variables };
  // Loaded as every later command will load it: what is written is known to be valid.
  const config = loadConfigText({ file, environment: given }, configText(answers));
  const sight = await lookAtSource(config);
  const text = configText({ ...answers, seen: describeSource(sight) });
  writeText(file, text, request.force);
  warn(sight, request.bus);
  const missing = Object.keys({ ...source.variables, ...target.variables }).filter((name) => environment[name] !== given[name]);
  return { file: path.resolve(file), migration: config.migration, source: sight, routed: request.route !== null, missing };
}

function warn({ leftOut, unmatched, otherDatabases }: SourceSight, bus: ProgressBus): void {
  for (const message of leftOut) bus.emit({ kind: "warning", code: "TABLE_LEFT_OUT", message });
  for (const pattern of unmatched) bus.emit({ kind: "warning", code: "PATTERN_UNMATCHED", message: `no table matches ${pattern}` });
  for (const { name, bytes } of otherDatabases) {
    const message = `the server also holds the database ${name}${bytes === null ? "" : ` (${formatBytes(bytes)})`}; a migration moves one database`;
    bus.emit({ kind: "warning", code: "OTHER_DATABASE", message });
  }
}

/** `orders` -> `orders-move`, from the database's name in the connection string; null where there is none. The name must fit a slot's. */
export function suggestName(source: string, environment: InitRequest["environment"]): string | null {
  const reference = /^\$\{(\w+)\}$/.exec(source)?.[1];
  const { dbname } = parsedAnswer(reference === undefined ? source : (environment[reference] ?? ""));
  const database = (dbname ?? "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replace(/^[^a-z]+/, "")
    .slice(0, 35);
  return database === "" ? null : `${database}-move`;
}

function refuseNameless(): never {
  throw new PghaulError("USAGE", "--migration is missing, and the source's connection string has no database name to derive it from");
}

function writeText(file: string, text: string, force: boolean): void {
  try {
    // wx: somebody may have written the file while we looked.
    writeFileSync(file, text, { flag: force ? "w" : "wx" });
  } catch (error) {
    refuseExisting(file, force);
    throw new PghaulError("CONFIG_INVALID", `${file} cannot be written (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}
