import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { planMarkdown, planText } from "../../cli/cutover-text.ts";
import { type CutoverPlan, planCutover } from "../../workflow/cutover/plan-cutover.ts";
import { openMigration } from "../../workflow/open-migration.ts";

export default class CutoverPlanCommand extends PghaulCommand<CutoverPlan> {
  static override summary = "Show what a switch would do, step by step, with its point of no return and its digest.";
  static override description =
    `Reads both databases and the configuration; changes nothing. The digest stands for exactly this plan: another table, route or setting gives
another digest. "cutover run --plan-digest" accepts only the plan that was reviewed.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --markdown > plan.md",
    "<%= config.bin %> <%= command.id %> --rollback --json",
  ];
  static override exitKinds = ["source", "target", "try-later", "gate"] as const;
  static override flags = {
    rollback: Flags.boolean({ summary: "Show the plan of the way back instead." }),
    markdown: Flags.boolean({ summary: "Print Markdown, for a review." }),
  };

  override async run(): Promise<CutoverPlan> {
    const { flags } = await this.parse(CutoverPlanCommand);
    const migration = await openMigration({ file: flags.config, stateDirectory: flags["state-dir"] });
    try {
      const plan = await planCutover(migration, flags.rollback ? "source" : "target", this.progress);
      this.print(flags.markdown ? planMarkdown(plan) : planText(plan));
      return plan;
    } finally {
      migration.close();
    }
  }
}
