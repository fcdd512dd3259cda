import { hostname, userInfo } from "node:os";
import { Flags } from "@oclif/core";
import { PghaulError } from "../errors/pghaul-error.ts";
import { askUnlessLeft } from "./ask.ts";

/** Flags of every command that asks before it acts. */
export const confirmFlags = {
  confirm: Flags.string({
    summary: "The migration's name; confirms without a terminal.",
    helpValue: "NAME",
    helpGroup: "SAFETY",
  }),
  "plan-digest": Flags.string({
    summary: "The digest of the plan that was reviewed; any other plan is refused.",
    helpValue: "HASH",
    helpGroup: "SAFETY",
  }),
};

export interface ConfirmFlags {
  readonly confirm?: string | undefined;
  readonly "plan-digest"?: string | undefined;
}

/** Something that cannot simply be undone. */
export interface DangerousAct {
  /** What will happen, as a sentence: "Switch the traffic to the target." */
  readonly title: string;
  /** The migration's name, which the operator must type. */
  readonly migration: string;
  readonly planDigest: string;
  /** Plan, gates and point of no return; shown before the question. */
  readonly preview: string;
  /** The command without the confirming flags: `pghaul cutover run --config prod.yaml`. */
  readonly command: string;
}

/** Who said yes, and how; belongs in the journal. */
export interface Confirmation {
  readonly how: "typed" | "flags";
  readonly user: string;
  readonly host: string;
  readonly at: string;
  readonly planDigest: string;
}

export interface Terminal {
  /** True only when stdin and stderr are terminals and neither --no-input nor --json is set. */
  readonly interactive: boolean;
  /** Prints on stderr. */
  show(text: string): void;
  /** Asks on stderr; resolves with what was typed. */
  ask(question: string): Promise<string>;
}

/**
 * Returns only when the act was confirmed for exactly this plan. A pipe never answers: `echo y |` is not a person.
 * Throws NOT_CONFIRMED (with the line to paste) or PLAN_CHANGED, both exit 30.
 */
export async function confirmDangerous(act: DangerousAct, flags: ConfirmFlags, terminal: Terminal): Promise<Confirmation> {
  refuseOtherPlan(act, flags["plan-digest"]);
  if (flags.confirm !== undefined) {
    if (flags.confirm !== act.migration) {
      throw new PghaulError("NOT_CONFIRMED", `--confirm does not name the migration ${act.migration}`, { suggestion: lineToPaste(act) });
    }
    if (flags["plan-digest"] !== undefined) return confirmation(act, "flags");
  }
  if (!terminal.interactive) {
    throw new PghaulError("NOT_CONFIRMED", `${act.title} There is no terminal to confirm it, and the confirming flags are missing.`, {
      suggestion: lineToPaste(act),
    });
  }
  terminal.show(`${act.preview.trimEnd()}\n\n${act.title}\n`);
  const typed = await terminal.ask(`Type the migration's name (${act.migration}) to continue:`);
  if (typed.trim() === act.migration) return confirmation(act, "typed");
  throw new PghaulError("NOT_CONFIRMED", "what was typed is not the migration's name; nothing was done", { suggestion: act.command });
}

function refuseOtherPlan(act: DangerousAct, reviewed: string | undefined): void {
  if (reviewed === undefined || reviewed === act.planDigest) return;
  throw new PghaulError("PLAN_CHANGED", `the plan is now ${act.planDigest}; ${reviewed} was reviewed`, {
    context: { reviewed, current: act.planDigest },
  });
}

function lineToPaste(act: DangerousAct): string {
  return `${act.command} --confirm ${act.migration} --plan-digest ${act.planDigest}`;
}

function confirmation(act: DangerousAct, how: Confirmation["how"]): Confirmation {
  return { how, user: userInfo().username, host: hostname(), at: new Date().toISOString(), planDigest: act.planDigest };
}

/** The terminal that this process was started from. */
export function processTerminal(allowed: boolean): Terminal {
  return {
    interactive: allowed && process.stdin.isTTY === true && process.stderr.isTTY === true,
    show: (text) => void process.stderr.write(text),
    // Who leaves the question has confirmed nothing.
    ask: async (question) => (await askUnlessLeft(question)) ?? "",
  };
}
