/** What the Tab key offers: pure, over the shapes of the commands and the names of the migration at hand. */

export interface FlagShape {
  readonly takesValue: boolean;
  readonly multiple: boolean;
  readonly options: readonly string[];
  readonly summary: string;
  /** What stands for the value in the help, such as `SCHEMA.TABLE`. */
  readonly valueName: string;
}

export interface CommandShape {
  /** As typed after the binary's name: `cdc start`. */
  readonly id: string;
  readonly summary: string;
  readonly flags: Readonly<Record<string, FlagShape>>;
  /** What its arguments may be; empty for those that can be anything. */
  readonly argumentOptions: readonly string[];
}

export interface TopicShape {
  readonly name: string;
  readonly description: string;
}

/** Names that only the migration at hand knows; empty where there is none. */
export interface KnownNames {
  readonly migration: string | null;
  readonly tables: readonly string[];
}

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

export interface Commands {
  readonly commands: readonly CommandShape[];
  readonly topics: readonly TopicShape[];
}

/**
 * Candidates for the last of `words`, which are those after the binary's name and may end with an empty one. `names` is asked only where a
 * name of the migration is wanted. An empty answer leaves the field to the shell's own completion of file names.
 */
export async function candidates(
  words: readonly string[],
  known: Commands,
  names: () => Promise<KnownNames>,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const command = commandOf(before, known.commands);
  const offered = command === undefined ? namesBelow(before, known) : await withinCommand(command, before, current, names);
  return offered.filter(({ value }) => value.startsWith(current));
}

/** The values of a flag that was given before: --config and --state-dir say where the names are. */
export function flagValue(words: readonly string[], flag: string): string | undefined {
  for (const [index, word] of words.entries()) {
    if (word === `--${flag}`) return words[index + 1];
    if (word.startsWith(`--${flag}=`)) return word.slice(flag.length + 3);
  }
  return undefined;
}

function commandOf(words: readonly string[], commands: readonly CommandShape[]): CommandShape | undefined {
  return commands.find(({ id }) => {
    const parts = id.split(" ");
    return parts.every((part, index) => words[index] === part);
  });
}

/** The next word of every command and topic that begins as `words` do. */
function namesBelow(words: readonly string[], { commands, topics }: Commands): readonly Candidate[] {
  const prefix = words.map((word) => `${word} `).join("");
  const found = new Map<string, string>();
  const used = topics.filter(({ name }) => commands.some(({ id }) => id.startsWith(`${name} `)));
  const named = [...used.map(({ name, description }) => [name, description]), ...commands.map(({ id, summary }) => [id, summary])];
  for (const [name = "", description = ""] of named) {
    const next = name.startsWith(prefix) ? name.slice(prefix.length) : "";
    if (next !== "" && !next.includes(" ")) found.set(next, description);
  }
  return [...found].map(([value, description]) => ({ value, description })).sort((a, b) => (a.value < b.value ? -1 : 1));
}

async function withinCommand(
  command: CommandShape,
  before: readonly string[],
  current: string,
  names: () => Promise<KnownNames>,
): Promise<readonly Candidate[]> {
  const last = before.at(-1) ?? "";
  const wanting = last.startsWith("--") ? command.flags[last.slice(2)] : undefined;
  if (wanting?.takesValue === true) return await valuesOf(last.slice(2), wanting, names);
  const [, flag = ""] = /^--([\w-]+)=/.exec(current) ?? [];
  const joined = command.flags[flag];
  if (joined?.takesValue === true) {
    const values = await valuesOf(flag, joined, names);
    return values.map(({ value, description }) => ({ value: `--${flag}=${value}`, description }));
  }
  const flags = Object.entries(command.flags)
    .filter(([name, { multiple }]) => multiple || !before.some((word) => word === `--${name}` || word.startsWith(`--${name}=`)))
    .map(([name, { summary }]) => ({ value: `--${name}`, description: summary }));
  return [...command.argumentOptions.map((value) => ({ value, description: "" })), ...flags];
}

async function valuesOf(name: string, flag: FlagShape, names: () => Promise<KnownNames>): Promise<readonly Candidate[]> {
  if (flag.options.length > 0) return flag.options.map((value) => ({ value, description: "" }));
  if (flag.valueName.includes("TABLE")) return (await names()).tables.map((value) => ({ value, description: "table" }));
  if (name !== "confirm") return [];
  const { migration } = await names();
  return migration === null ? [] : [{ value: migration, description: "this migration" }];
}
