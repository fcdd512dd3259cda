import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { migrationPlanMarkdown, migrationPlanText } from "../cli/plan-text.ts";
import { openSides } from "../workflow/open-migration.ts";
import { type PlanResult, planMigration } from "../workflow/plan/plan-migration.ts";

export default class Plan extends PghaulCommand<PlanResult> {
  static override summary = "Show the whole migration before it starts: tables, forecast, steps, point of no return.";
  static override description =
    `Reads the source's catalog and statistics. For the forecast it also reads the beginning of the two largest tables for a few seconds, and times
how fast the target takes those rows into a temporary table. Leaves nothing behind at either side; safe to repeat, also before the target exists. The
digest stands for what was reviewed: tables, settings, both sides and the steps. Row counts and timings are not part of it.`;
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
      summary: "Output format: text for a terminal, markdown for a review. Scripts use --json.",
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
