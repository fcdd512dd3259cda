import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { confirmFlags, processTerminal } from "../../cli/confirm.ts";
import { gatesText, planText, resultText } from "../../cli/cutover-text.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import { confirmedCutover, type WishedCutover } from "../../workflow/cutover/confirmed-cutover.ts";
import { openMigration } from "../../workflow/open-migration.ts";

/** Where a switch leads, and what it is called. */
interface SwitchDirection {
  readonly to: SideName;
  readonly command: string;
  readonly title: string;
  readonly check: string;
}

export default class CutoverRun extends PghaulCommand<WishedCutover> {
  static override summary = "Switch the writes to the target: nothing is lost, and the way back stays open.";
  static override description =
    `Checks the gates, then carries out the plan. Any failure before the point of no return undoes everything, and the source takes writes again. If
it is killed in the middle, "pghaul run" settles the switch within seconds; running the command again does too. Needs "pghaul run" to be streaming.
Exits 11 when a gate is closed, 30 when not confirmed, 75 when a deadline was missed and everything was undone.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --dry-run",
    "<%= config.bin %> <%= command.id %> --confirm orders-move --plan-digest 3f1c9a77d20b4e65 --json",
  ];
  static override exitKinds = ["gate", "confirm", "source", "target", "locked", "try-later"] as const;
  static override flags = {
    ...confirmFlags,
    "dry-run": Flags.boolean({ summary: "Show the plan and the gates without changing anything." }),
  };

  protected readonly direction: SwitchDirection = {
    to: "target",
    command: "cutover run",
    title: "Switch the writes to the target.",
    check: "pghaul cutover check",
  };

  override async run(): Promise<WishedCutover> {
    const { flags } = await this.parse(CutoverRun);
    const { to, command, title, check } = this.direction;
    const migration = await openMigration({ file: flags.config, stateDirectory: flags["state-dir"] });
    try {
      const result = await confirmedCutover({
        migration,
        to,
        command,
        dryRun: flags["dry-run"],
        interactive: processTerminal(!flags["no-input"] && !this.jsonEnabled()).interactive,
        bus: this.progress,
        confirm: async (plan, checked) => {
          const preview = checked === null ? planText(plan) : `${planText(plan)}\n\n${gatesText(checked.gates)}`;
          const act = { title, migration: migration.name, planDigest: plan.digest, preview, command: `pghaul ${command}` };
          const confirmation = await this.confirm(act, flags);
          this.showProgress(flags);
          return confirmation;
        },
      });
      this.print(resultText(result, result.plan));
      const closed = result.gates.filter(({ open }) => !open).map(({ id }) => id);
      if (closed.length > 0 && !flags["dry-run"]) {
        this.failWith(new PghaulError("GATE_CLOSED", `closed gates: ${closed.join(", ")}; nothing was done`, { suggestion: check }));
      }
      return result;
    } finally {
      migration.close();
    }
  }
}
