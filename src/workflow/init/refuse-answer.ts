/** Whether an answer of `init` will do, told while it can still be corrected. Each returns why not, or null. */

import { type ConfigAnswers, configText } from "../../config/config-text.ts";
import { loadConfigText } from "../../config/load-config.ts";
import { kindOfUrl } from "../../config/targets/targets.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { sidesOf } from "../open-migration.ts";
import { connectionAnswer, targetAnswer } from "./connection-answer.ts";
import { lookAtSource } from "./look-at-source.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const ANY_DATABASE = "postgresql://localhost/any";

/** What is not asked for yet. */
const ANY: ConfigAnswers = {
  migration: "any",
  source: ANY_DATABASE,
  target: { kind: kindOfUrl(ANY_DATABASE), url: ANY_DATABASE, settings: {} },
  tables: ["*.*"],
  seen: null,
  route: null,
  schema: "any.json",
};

/** Connects and reads the catalog, as `init` itself will. */
export function refuseSource(url: string, environment: Environment): Promise<string | null> {
  return refusal(async () => void (await lookAtSource(configOf({ source: url }, environment))));
}

/** Connects, or looks at the place; `migration`, where its name is known already, may have begun there. */
export function refuseTarget(url: string, migration: string | undefined, environment: Environment): Promise<string | null> {
  return refusal(async () => {
    const { target, variables } = targetAnswer(url, {}, environment);
    const config = configOf({ target, ...(migration === undefined ? {} : { migration }) }, { ...environment, ...variables });
    await sidesOf(config).target.reach();
  });
}

/** Whether these keys fit a target of this URL. */
export function refuseSettings(url: string, settings: Readonly<Record<string, string>>, environment: Environment): Promise<string | null> {
  return refusal(async () => {
    const { target, variables } = targetAnswer(url, settings, environment);
    configOf({ target }, { ...environment, ...variables });
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
  const text = configText({ ...ANY, ...answers, source: source.text });
  return loadConfigText({ file: "pghaul.yaml", environment: { ...environment, ...source.variables } }, text);
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
