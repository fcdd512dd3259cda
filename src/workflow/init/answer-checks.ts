import type { InitChoice } from "../../config/targets/target-keys.ts";
import { initKeysOf } from "../../config/targets/targets.ts";
import { canSwitch } from "../target-kinds.ts";
import { kindOfAnswer } from "./connection-answer.ts";
import { refuseName, refuseSettings, refuseSource, refuseTables, refuseTarget } from "./refuse-answer.ts";
import { suggestName } from "./write-config.ts";

/** What `init` must know while it asks. Refusals say why an answer will not do, or null. */
export interface AnswerChecks {
  source(url: string): Promise<string | null>;
  target(url: string, migration: string | undefined): Promise<string | null>;
  settings(url: string, settings: Readonly<Record<string, string>>): Promise<string | null>;
  choices(url: string): readonly InitChoice[];
  switches(url: string): boolean;
  name(migration: string): Promise<string | null>;
  tables(patterns: readonly string[], source: string): Promise<string | null>;
  suggestName(source: string): string | null;
}

export function answerChecks(environment: Readonly<Record<string, string | undefined>>): AnswerChecks {
  return {
    source: (url) => refuseSource(url, environment),
    target: (url, migration) => refuseTarget(url, migration, environment),
    settings: (url, settings) => refuseSettings(url, settings, environment),
    choices: (url) => initKeysOf(kindOfAnswer(url, environment)).choices,
    switches: (url) => canSwitch(kindOfAnswer(url, environment)),
    name: refuseName,
    tables: (patterns, source) => refuseTables(patterns, source, environment),
    suggestName: (source) => suggestName(source, environment),
  };
}
