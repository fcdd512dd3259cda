/** Whether an answer of `init` will do, told while it can still be corrected. Each returns why not, or null. */

import { type ConfigAnswers, configText } from "../../config/config-text.ts";
import { loadConfigText } from "../../config/load-config.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { sidesOf } from "../open-migration.ts";
import { connectionAnswer } from "./connection-answer.ts";
import { lookAtSource } from "./look-at-source.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What is not asked for yet. */
const ANY: ConfigAnswers = {
  migration: "any",
  source: "postgresql://localhost/any",
  target: "postgresql://localhost/any",
  tables: ["*.*"],
  seen: null,
  route: null,
  schema: "any.json",
};

/** Connects and reads the catalog, as `init` itself will. */
export function refuseSource(url: string, environment: Environment): Promise<string | null> {
  return refusal(async () => void (await lookAtSource(configOf({ source: url }, environment))));
}

/** Connects. */
export function refuseTarget(url: string, environment: Environment): Promise<string | null> {
  return refusal(async () => {
    await sidesOf(configOf({ target: url }, environment)).target.reach();
  });
}

export function refuseName(migration: string): Promise<string | null> {
  return refusal(async () => void configOf({ migration }, {}));
}

/** Each pattern must be one, and match a table of the source. */
export async function refuseTables(tables: readonly string[], source: string, environment: Environment): Promise<string | null> {
  let unmatched: readonly string[] = [];
  const refused = await refusal(async () => {
    ({ unmatched } = await lookAtSource(configOf({ source, tables }, environment)));
  });
  return refused ?? (unmatched.length === 0 ? null : `no table of the source matches ${unmatched.join(", ")}`);
}

function configOf(answers: Partial<ConfigAnswers>, environment: Environment): ReturnType<typeof loadConfigText> {
  const source = connectionAnswer(answers.source ?? ANY.source, "SOURCE_URL", environment);
  const target = connectionAnswer(answers.target ?? ANY.target, "TARGET_URL", environment);
  const text = configText({ ...ANY, ...answers, source: source.text, target: target.text });
  return loadConfigText({ file: "pghaul.yaml", environment: { ...environment, ...source.variables, ...target.variables } }, text);
}

async function refusal(attempt: () => Promise<void>): Promise<string | null> {
  try {
    await attempt();
    return null;
  } catch (error) {
    if (!(error instanceof PghaulError)) throw error;
    return error.message;
  }
}
