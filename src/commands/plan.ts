import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { migrationPlanMarkdown, migrationPlanText } from "../cli/plan-text.ts";
import { openSides } from "../workflow/open-migration.ts";
import { type PlanResult, planMigration } from "../workflow/plan/plan-migration.ts";

export default class Plan extends PghaulCommand<PlanResult> {
  static override summary = "The whole migration before it starts: tables, forecast, steps, point of no return.";
  static override description =
    `Reads the source's catalog and statistics, and for some three seconds the beginning of its largest tables, to forecast hours and log. Changes
nothing and does not ask the target; safe to repeat. The digest names what was reviewed: tables, settings, both ends and steps; row counts and timings
are not in it.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --format markdown > plan.md",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override exitKinds = ["source"] as const;
  static override flags = {
    format: Flags.option({
      options: ["text", "markdown"] as const,
      default: "text" as const,
      summary: "How to print it: for a terminal, or for a review. For scripts there is --json.",
    })(),
  };

  override async run(): Promise<PlanResult> {
    const { flags } = await this.parse(Plan);
    const { now } = this.stopSignal();
    const plan = await planMigration(openSides({ file: flags.config, stateDirectory: flags["state-dir"] }), now);
    this.print(flags.format === "markdown" ? migrationPlanMarkdown(plan) : migrationPlanText(plan));
    return plan;
  }
}
