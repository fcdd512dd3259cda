import type { RouteAnswer } from "../config/config-text.ts";
import type { InitChoice } from "../config/targets/target-keys.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { askChoice, askText } from "./ask.ts";

/** What `init` needs to know. */
export interface InitAnswers {
  readonly source: string;
  readonly target: string;
  /** Keys of the target beside its URL. */
  readonly settings: Readonly<Record<string, string>>;
  readonly migration: string | undefined;
  readonly tables: readonly string[];
  readonly route: RouteAnswer | null;
}

type Refusal = Promise<string | null>;

/** Looks at an answer while it can still be corrected; each returns why it will not do, or null. */
export interface InitChecks {
  source(url: string): Refusal;
  target(url: string, migration: string | undefined): Refusal;
  settings(url: string, settings: Readonly<Record<string, string>>): Refusal;
  /** What is asked of a target beside its URL. */
  choices(url: string): readonly InitChoice[];
  /** Whether traffic can be switched to it. */
  switches(url: string): boolean;
  name(migration: string): Refusal;
  tables(patterns: readonly string[], source: string): Refusal;
  suggestName(source: string): string | null;
}

const PASSWORD_HINT = "(better without a password; use PGPASSWORD, ~/.pgpass or passwordFile)";

/** Asks for what no flag gave. Only for a terminal. */
export async function askInit(
  given: { readonly [Answer in keyof InitAnswers]?: InitAnswers[Answer] | undefined },
  checks: InitChecks,
): Promise<InitAnswers> {
  const source =
    given.source ??
    (await askText({ text: `Connection string of the source ${PASSWORD_HINT}:`, refuse: (url) => needed(url, checks.source) }));
  const target =
    given.target ??
    (await askText({
      text: `Connection string of the target, or file:///DIRECTORY ${PASSWORD_HINT}:`,
      refuse: unlessRepeated((url) => needed(url, (answer) => checks.target(answer, given.migration))),
    }));
  const settings = await askSettings(target, given.settings ?? {}, checks);
  const suggested = checks.suggestName(source) ?? undefined;
  const migration =
    given.migration ?? (await askText({ text: "Name of the migration:", preset: suggested, refuse: (name) => needed(name, checks.name) }));
  const tables =
    given.tables ??
    patternsOf(
      await askText({
        text: "Tables to move, as SCHEMA.TABLE with *, separated by spaces:",
        preset: "*.*",
        refuse: (typed) => checks.tables(patternsOf(typed), source),
      }),
    );
  return { source, target, settings, migration, tables, route: given.route ?? (checks.switches(target) ? await askRoute() : null) };
}

/** What flags said is looked at before anything else is asked. */
async function askSettings(target: string, given: InitAnswers["settings"], checks: InitChecks): Promise<InitAnswers["settings"]> {
  const refused = await checks.settings(target, given);
  if (refused !== null) throw new PghaulError("USAGE", refused);
  let settings = given;
  for (const { key, question, values, preset } of checks.choices(target)) {
    if (Object.hasOwn(settings, key)) continue;
    // The first is what Enter takes.
    const ordered = [...values].sort((a, b) => Number(b.value === preset) - Number(a.value === preset));
    settings = { ...settings, [key]: await askChoice(question, ordered) };
  }
  return settings;
}

async function needed(answer: string, check: (answer: string) => Refusal): Refusal {
  return answer === "" ? "an answer is needed" : await check(answer);
}

/** A target that does not answer yet may be what is meant: the same answer given again stands. */
function unlessRepeated(check: (answer: string) => Refusal): (answer: string) => Refusal {
  let refused: string | null = null;
  return async (answer) => {
    if (answer !== "" && answer === refused) return null;
    refused = answer;
    const why = await check(answer);
    return why === null || answer === "" ? why : `${why}; press Enter again to keep this answer`;
  };
}

function patternsOf(typed: string): string[] {
  return typed.split(/\s+/).filter((pattern) => pattern !== "");
}

async function askRoute(): Promise<RouteAnswer | null> {
  const kind = await askChoice("How do applications find the database that takes the writes?", [
    { name: "They read a JSON document, which pghaul rewrites", value: "document" },
    { name: "My own program sends them to the other side", value: "hook" },
    { name: "Not decided yet; only the switch needs it", value: "none" },
  ]);
  const refuse = (answer: string): string | null => (answer === "" ? "an answer is needed" : null);
  if (kind === "document") return { kind, file: await askText({ text: "File of the document:", preset: "route.json", refuse }) };
  if (kind === "hook") return { kind, program: await askText({ text: "Path of the program:", refuse }) };
  return null;
}
