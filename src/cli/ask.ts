import { PghaulError } from "../errors/pghaul-error.ts";

/**
 * Asks for a line on stderr, so that stdout stays a result; returns it without blanks around it, or `preset` for an empty answer. Only for a
 * terminal. Ctrl-C and Ctrl-D throw INTERRUPTED: they are never an answer.
 */
export async function askText(question: string, preset?: string): Promise<string> {
  const { createPromptModule } = await import("inquirer");
  try {
    const answers = await createPromptModule({ output: process.stderr })([
      { type: "input", name: "typed", message: question, ...(preset === undefined ? {} : { default: preset }) },
    ]);
    return String(answers.typed).trim();
  } catch (error) {
    if (error instanceof Error && error.name === "ExitPromptError")
      throw new PghaulError("INTERRUPTED", "stopped at a question; nothing was done");
    throw error;
  }
}
