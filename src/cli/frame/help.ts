import type { Interfaces } from "@oclif/core";
import { CommandHelp, Help } from "@oclif/core";
import type { ErrorKind } from "../../errors/codes.ts";
import { EXIT_MEANINGS } from "../../errors/exit-meanings.ts";
import { EXIT_CODES } from "../../errors/policy.ts";

/** Kinds that any command can end with. */
const ALWAYS: readonly ErrorKind[] = ["bug", "usage", "config", "interrupted"];

/** Pairs of exit code and meaning for a command, in numeric order; `own` are the kinds of its `exitKinds`. */
export function exitCodeLines(own: readonly ErrorKind[]): [code: string, meaning: string][] {
  const kinds = [...new Set([...ALWAYS, ...own])].sort((a, b) => EXIT_CODES[a] - EXIT_CODES[b]);
  return [["0", "done"], ...kinds.map((kind): [string, string] => [String(EXIT_CODES[kind]), EXIT_MEANINGS[kind]])];
}

/** Pairs of environment variable and the flag it stands for. */
export function environmentLines(flags: Readonly<Record<string, { env?: string | undefined }>>): [name: string, meaning: string][] {
  const lines: [string, string][] = [];
  for (const [name, flag] of Object.entries(flags)) if (flag.env !== undefined) lines.push([flag.env, `same as --${name}`]);
  return lines.sort(([a], [b]) => a.localeCompare(b, "en"));
}

/**
 * A text of the source as its paragraphs: a blank line parts them, a single line feed is only where the source's line was full.
 */
export function paragraphsOf(text: string): string[] {
  return text.split(/\n[ \t]*\n/).map((paragraph) => paragraph.replace(/\s*\n\s*/g, " ").trim());
}

/** oclif's command help with two sections more: exit codes and environment variables. */
export class PghaulCommandHelp extends CommandHelp {
  /** The whole description: oclif's own, told to leave out the summary that stands above, shows nothing but the last line. */
  protected override description(): string | undefined {
    const { description } = this.command;
    return description === undefined ? undefined : this.wrap(paragraphsOf(this.render(description)).join("\n\n"));
  }

  protected override sections(): ReturnType<CommandHelp["sections"]> {
    const own = (this.command.exitKinds ?? []) as readonly ErrorKind[];
    return [
      ...super.sections(),
      { header: "EXIT CODES", generate: () => this.#list(exitCodeLines(own)) },
      { header: "ENVIRONMENT", generate: () => this.#list(environmentLines(this.command.flags)) },
    ];
  }

  #list(lines: [string, string][]): string {
    return this.renderList(lines, { stripAnsi: this.opts.stripAnsi ?? false, indentation: 0 });
  }
}

/** Wider lines are hard to read, however wide the terminal is. */
const WIDEST = 120;

export default class PghaulHelp extends Help {
  constructor(config: Interfaces.Config, options: Partial<Interfaces.HelpOptions> = {}) {
    // 0 columns is a pseudo-terminal that nobody has given a size.
    super(config, { ...options, maxWidth: Math.min(process.stdout.columns || WIDEST, WIDEST) });
  }

  override CommandHelpClass = PghaulCommandHelp;
}
