import { PghaulError } from "../errors/pghaul-error.ts";

interface Question {
  readonly text: string;
  /** What an empty answer stands for. */
  readonly preset?: string | undefined;
  /** Why the answer will not do, or null. It can be corrected where it stands, so nothing that was typed is lost. */
  readonly refuse?: (answer: string) => string | null | Promise<string | null>;
}

/**
 * Asks for a line on stderr, so that stdout stays a result; returns it without blanks around it. Only for a terminal. Ctrl-C and Ctrl-D throw
 * INTERRUPTED: they are never an answer.
 */
export async function askText({ text, preset, refuse }: Question): Promise<string> {
  return await ask({
    type: "input",
    message: text,
    ...(preset === undefined ? {} : { default: preset }),
    validate: async (typed: string) => (await refuse?.(typed.trim())) ?? true,
  });
}

/** Asks for one of several answers; `name` is what is shown. */
export async function askChoice<T extends string>(
  text: string,
  choices: readonly { readonly name: string; readonly value: T }[],
): Promise<T> {
  return (await ask({ type: "select", message: text, choices: [...choices] })) as T;
}

/** Asks for a line, as askText does; null when the question is left with Ctrl-C or Ctrl-D, for those who know what that means to them. */
export async function askUnlessLeft(text: string): Promise<string | null> {
  return await prompt({ type: "input", message: text });
}

async function ask(question: object): Promise<string> {
  const typed = await prompt(question);
  if (typed === null) throw new PghaulError("INTERRUPTED", "stopped at a question; nothing was done");
  return typed;
}

async function prompt(question: object): Promise<string | null> {
  const { createPromptModule } = await import("inquirer");
  try {
    const answers = await createPromptModule({ output: process.stderr })([{ name: "typed", ...question } as never]);
    return String((answers as { typed: unknown }).typed).trim();
  } catch (error) {
    if (error instanceof Error && error.name === "ExitPromptError") return null;
    throw error;
  }
}
