import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { withMigration } from "../workflow/open-migration.ts";
import { type PlanResult, planMigration } from "../workflow/plan/plan-migration.ts";
import { renderPlan } from "../workflow/plan/render-plan.ts";

export default class Plan extends PghaulCommand<PlanResult> {
  static override summary = "The whole migration before it starts: tables, steps, forecast, point of no return.";
  static override description =
    `Reads the source's catalog and statistics, and for a few seconds the beginning of its largest tables, to forecast hours and log. Changes nothing; safe
to repeat. The digest names what was reviewed: tables, settings, both ends and steps; row counts and timings are not in it.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --format markdown > plan.md",
    "<%= config.bin %> <%= command.id %> --json",
  ];
  static override exitKinds = ["source"] as const;
  static override flags = {
    format: Flags.string({ options: ["text", "markdown"], default: "text", summary: "How to print it; --json for scripts." }),
  };

  override async run(): Promise<PlanResult> {
    const { flags } = await this.parse(Plan);
    const { now } = this.stopSignal();
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const plan = await planMigration(migration, now);
      this.print(renderPlan(plan, flags.format));
      return plan;
    });
  }
}
