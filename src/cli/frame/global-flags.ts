import { Flags } from "@oclif/core";
import { LOG_LEVELS, type LogLevel } from "../../observe/log.ts";

const helpGroup = "GLOBAL";

/** Flags that every command takes, each with an environment variable of its own. */
export const globalFlags = {
  config: Flags.string({
    summary: "The configuration file.",
    default: "pghaul.yaml",
    env: "PGHAUL_CONFIG",
    helpValue: "FILE",
    helpGroup,
  }),
  "state-dir": Flags.string({
    summary: "The state directory, instead of the one in the configuration.",
    env: "PGHAUL_STATE_DIR",
    helpValue: "DIR",
    helpGroup,
  }),
  "log-level": Flags.option({
    summary: "The lowest level of log lines to print on stderr.",
    options: LOG_LEVELS,
    default: "info" as const,
    env: "PGHAUL_LOG_LEVEL",
    helpGroup,
  })(),
  "log-format": Flags.option({
    summary: "Format of log lines: text, or one JSON object per line.",
    options: ["text", "json"] as const,
    default: "text" as const,
    env: "PGHAUL_LOG_FORMAT",
    helpGroup,
  })(),
  "no-color": Flags.boolean({ summary: "Print without colours. NO_COLOR=1 does the same.", env: "PGHAUL_NO_COLOR", helpGroup }),
  "no-input": Flags.boolean({
    summary: "Never ask; fail instead (exit 30 for a missing confirmation).",
    env: "PGHAUL_NO_INPUT",
    helpGroup,
  }),
};

/** The parsed form of `globalFlags`. */
export interface GlobalFlags {
  readonly config: string;
  readonly "state-dir"?: string | undefined;
  readonly "log-level": LogLevel;
  readonly "log-format": "text" | "json";
  readonly "no-color": boolean;
  readonly "no-input": boolean;
}
