import type { RouteAnswer } from "../config/config-text.ts";
import { askChoice, askText } from "./ask.ts";

/** What `init` needs to know. */
export interface InitAnswers {
  readonly source: string;
  readonly target: string;
  readonly migration: string | undefined;
  readonly tables: readonly string[];
  readonly route: RouteAnswer | null;
}

type Refusal = Promise<string | null>;

/** Looks at an answer while it can still be corrected; each returns why it will not do, or null. */
export interface InitChecks {
  source(url: string): Refusal;
  target(url: string): Refusal;
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
      text: `Connection string of the target ${PASSWORD_HINT}:`,
      refuse: unlessRepeated((url) => needed(url, checks.target)),
    }));
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
  return { source, target, migration, tables, route: given.route ?? (await askRoute()) };
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
