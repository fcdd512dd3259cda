import type { Command, Interfaces } from "@oclif/core";
import type { CommandShape, Commands, FlagShape } from "./candidates.ts";

/** The commands that a person may type, as completion needs them. */
export function commandShapes(config: Pick<Interfaces.Config, "commands" | "topics">): Commands {
  const commands = config.commands.filter(({ hidden }) => hidden !== true).map(shapeOf);
  const topics = config.topics.map(({ name, description }) => ({ name: name.replaceAll(":", " "), description: description ?? "" }));
  return { commands, topics };
}

function shapeOf(command: Command.Loadable): CommandShape {
  const flags = Object.entries(command.flags).filter(([, flag]) => flag.hidden !== true);
  return {
    id: command.id.replaceAll(":", " "),
    summary: command.summary ?? "",
    flags: Object.fromEntries([...flags.map(([name, flag]): [string, FlagShape] => [name, flagShape(name, flag)]), ["help", HELP]]),
    argumentOptions: Object.values(command.args).flatMap(({ options }) => options ?? []),
  };
}

const HELP: FlagShape = { takesValue: false, multiple: false, options: [], summary: "Show help.", valueName: "" };

function flagShape(name: string, flag: Command.Flag.Any): FlagShape {
  const summary = flag.summary ?? flag.description ?? "";
  if (flag.type === "boolean") return { ...HELP, summary };
  const valueName = Array.isArray(flag.helpValue) ? flag.helpValue.join(" ") : (flag.helpValue ?? name.toUpperCase());
  return { takesValue: true, multiple: flag.multiple === true, options: flag.options ?? [], summary, valueName };
}
