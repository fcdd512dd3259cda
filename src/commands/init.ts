import path from "node:path";
import { Flags } from "@oclif/core";
import { askText } from "../cli/ask.ts";
import { PghaulCommand } from "../cli/base-command.ts";
import { processTerminal } from "../cli/confirm.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { describeSource } from "../workflow/init/look-at-source.ts";
import { type InitResult, initConfig, refuseExisting, suggestName } from "../workflow/init/write-config.ts";

const PASSWORD_HINT = "(better without a password: PGPASSWORD, ~/.pgpass or passwordFile give it)";

export default class InitCommand extends PghaulCommand<InitResult> {
  static override summary = "Write pghaul.yaml: asks, or takes flags, and looks at the source.";
  static override description = `Connects to the source and reads its catalog; changes nothing in any database.
A connection string with a password becomes \${SOURCE_URL} or \${TARGET_URL} in the file, so that no secret stands in it.
Refuses to overwrite a file unless --force is given. In a terminal it asks for what no flag says.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --source postgresql://app@db1/orders --target postgresql://app@db2/orders --migration orders-move",
    "SOURCE_URL=... TARGET_URL=... <%= config.bin %> <%= command.id %> --tables 'public.*' --no-input",
  ];
  static override exitKinds = ["source"] as const;
  static override flags = {
    source: Flags.string({ summary: "Connection string of the source, as psql takes it.", env: "SOURCE_URL", helpValue: "URL" }),
    target: Flags.string({ summary: "Connection string of the target.", env: "TARGET_URL", helpValue: "URL" }),
    migration: Flags.string({ summary: "The migration's name; otherwise made from the source's database.", helpValue: "NAME" }),
    tables: Flags.string({
      summary: "Tables to move, as SCHEMA.TABLE with *; may be given several times. All when left out.",
      multiple: true,
      helpValue: "PATTERN",
    }),
    force: Flags.boolean({ summary: "Overwrite the file." }),
  };

  override async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitCommand);
    refuseExisting(flags.config, flags.force);
    const { interactive } = processTerminal(!flags["no-input"] && !this.jsonEnabled());
    const source = flags.source ?? (await required(interactive, "--source", `Connection string of the source ${PASSWORD_HINT}:`));
    const target = flags.target ?? (await required(interactive, "--target", `Connection string of the target ${PASSWORD_HINT}:`));
    const migration =
      flags.migration ?? (interactive ? await askText("Name of the migration:", suggestName(source, process.env) ?? undefined) : undefined);
    const tables =
      flags.tables ??
      (interactive ? (await askText("Tables to move, as SCHEMA.TABLE with *, blanks between:", "*.*")).split(/\s+/) : ["*.*"]);
    const result = await initConfig({
      file: flags.config,
      migration,
      source,
      target,
      tables,
      force: flags.force,
      schema: path.join(this.config.root, "schema", "pghaul.schema.json"),
      environment: process.env,
      bus: this.progress,
    });
    this.#warnOfArguments(result, flags);
    this.print(`Wrote ${flags.config}.\nSource: ${describeSource(result.source)}.\n${nextStep(result)}`);
    return result;
  }

  #warnOfArguments({ missing }: InitResult, given: { readonly source?: string | undefined; readonly target?: string | undefined }): void {
    for (const [flag, variable] of [
      ["source", "SOURCE_URL"],
      ["target", "TARGET_URL"],
    ] as const) {
      if (given[flag] === undefined || !missing.includes(variable)) continue;
      const message = `the password in --${flag} stood on the command line, where \`ps\` and the shell's history show it; next time set ${variable}`;
      this.progress.emit({ kind: "warning", code: "SECRET_IN_ARGUMENT", message });
    }
  }
}

async function required(interactive: boolean, flag: string, question: string): Promise<string> {
  const answer = interactive ? await askText(question) : "";
  if (answer === "")
    throw new PghaulError("USAGE", `${flag} is missing`, { suggestion: "pghaul init --source URL --target URL --migration NAME" });
  return answer;
}

function nextStep({ missing }: InitResult): string {
  return missing.length === 0
    ? "Next: pghaul check"
    : `Set ${missing.join(" and ")} to the connection ${missing.length === 1 ? "string" : "strings"} given here, then: pghaul check`;
}
