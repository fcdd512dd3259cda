import { Flags } from "@oclif/core";
import { PghaulCommand } from "../../cli/base-command.ts";
import { confirmDangerous, confirmFlags, processTerminal } from "../../cli/confirm.ts";
import { withMigration } from "../../workflow/open-migration.ts";
import { planTeardown, tearDown } from "../../workflow/stream/tear-down.ts";

interface TeardownResult {
  readonly planDigest: string;
  /** Empty after a dry run. */
  readonly dropped: readonly string[];
}

export default class CdcTeardown extends PghaulCommand<TeardownResult> {
  static override summary = "Drop slots, publications and replication origins on both sides. Ends the migration.";
  static override description =
    `After this, nothing holds WAL for the migration any more. It can no longer stream, and a rollback is no longer possible.
The tables, the schema "pghaul" and the state directory stay. Asks first; safe to repeat.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --dry-run --json",
    "<%= config.bin %> <%= command.id %> --confirm orders-move --plan-digest 3f1c…",
  ];
  static override exitKinds = ["confirm", "source", "target", "locked"] as const;
  static override flags = {
    ...confirmFlags,
    "dry-run": Flags.boolean({ summary: "Show what would be dropped, and the digest, without changing anything." }),
  };

  override async run(): Promise<TeardownResult> {
    const { flags } = await this.parse(CdcTeardown);
    return withMigration({ file: flags.config, stateDirectory: flags["state-dir"] }, async (migration) => {
      const { lines, digest } = planTeardown(migration);
      if (flags["dry-run"]) {
        this.print([...lines, `digest: ${digest}`].join("\n"));
        return { planDigest: digest, dropped: [] };
      }
      const act = {
        title: "Drop all of this and end the migration.",
        migration: migration.name,
        planDigest: digest,
        preview: lines.join("\n"),
        command: "pghaul cdc teardown",
      };
      await confirmDangerous(act, flags, processTerminal(!flags["no-input"] && !this.jsonEnabled()));
      await tearDown(migration);
      this.print(lines.join("\n"));
      return { planDigest: digest, dropped: lines };
    });
  }
}
