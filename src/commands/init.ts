import path from "node:path";
import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { processTerminal } from "../cli/confirm.ts";
import { askInit, type InitChecks } from "../cli/init-questions.ts";
import type { RouteAnswer } from "../config/config-text.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import { describeSource } from "../workflow/init/look-at-source.ts";
import { refuseName, refuseSource, refuseTables, refuseTarget } from "../workflow/init/refuse-answer.ts";
import { type InitResult, initConfig, refuseExisting, suggestName } from "../workflow/init/write-config.ts";

const CHECKS: InitChecks = {
  source: (url) => refuseSource(url, process.env),
  target: (url) => refuseTarget(url, process.env),
  name: refuseName,
  tables: (patterns, source) => refuseTables(patterns, source, process.env),
  suggestName: (source) => suggestName(source, process.env),
};

export default class InitCommand extends PghaulCommand<InitResult> {
  static override summary = "Write pghaul.yaml from flags or from questions, and look at the source.";
  static override description = `Connects to the source and reads its catalog; changes nothing in any database.
If a connection string has a password, the file has \${SOURCE_URL} or \${TARGET_URL} instead, so that it holds no secret.
Refuses to overwrite a file unless --force is given. In a terminal it asks for everything that no flag gives, and checks
each answer at once.`;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --source postgresql://app@db1/orders --target postgresql://app@db2/orders --migration orders-move",
    "SOURCE_URL=... TARGET_URL=... <%= config.bin %> <%= command.id %> --tables 'public.*' --no-input",
  ];
  static override exitKinds = ["source"] as const;
  static override flags = {
    source: Flags.string({ summary: "Connection string of the source, as psql takes it.", env: "SOURCE_URL", helpValue: "URL" }),
    target: Flags.string({ summary: "Connection string of the target.", env: "TARGET_URL", helpValue: "URL" }),
    migration: Flags.string({
      summary: "The migration's name. By default it is made from the name of the source database.",
      helpValue: "NAME",
    }),
    tables: Flags.string({
      summary: "Tables to move, as SCHEMA.TABLE with *. By default all.",
      multiple: true,
      helpValue: "PATTERN",
    }),
    "route-document": Flags.string({
      summary: "A JSON file that applications read to find the primary; a switch rewrites it.",
      helpValue: "FILE",
      exclusive: ["route-hook"],
    }),
    "route-hook": Flags.string({ summary: "Your own program, which sends the traffic to the other side.", helpValue: "PROGRAM" }),
    force: Flags.boolean({ summary: "Overwrite an existing file." }),
  };

  override async run(): Promise<InitResult> {
    const { flags } = await this.parse(InitCommand);
    refuseExisting(flags.config, flags.force);
    const { interactive } = processTerminal(!flags["no-input"] && !this.jsonEnabled());
    const given = { source: flags.source, target: flags.target, migration: flags.migration, tables: flags.tables, route: routeOf(flags) };
    const { source, target, migration, tables, route } = interactive ? await askInit(given, CHECKS) : given;
    if (source === undefined || source === "") throw missing("--source");
    if (target === undefined || target === "") throw missing("--target");
    const result = await initConfig({
      file: flags.config,
      migration,
      source,
      target,
      tables: tables ?? ["*.*"],
      route: route ?? null,
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
      const message = `the password in --${flag} was on the command line, where \`ps\` and the shell's history show it; next time set ${variable} instead`;
      this.progress.emit({ kind: "warning", code: "SECRET_IN_ARGUMENT", message });
    }
  }
}

function routeOf(flags: {
  readonly "route-document"?: string | undefined;
  readonly "route-hook"?: string | undefined;
}): RouteAnswer | undefined {
  if (flags["route-document"] !== undefined) return { kind: "document", file: flags["route-document"] };
  return flags["route-hook"] === undefined ? undefined : { kind: "hook", program: flags["route-hook"] };
}

function missing(flag: string): PghaulError {
  return new PghaulError("USAGE", `${flag} is missing`, { suggestion: "pghaul init --source URL --target URL --migration NAME" });
}

function nextStep({ missing, routed }: InitResult): string {
  const route = routed ? "" : "No route is set yet; `pghaul cutover run` will need one under cutover.routing.\n";
  return missing.length === 0
    ? `${route}Next: pghaul check`
    : route +
        `Set ${missing.join(" and ")} to the connection ${missing.length === 1 ? "string" : "strings"} you gave, then run: pghaul check`;
}
