import type { Hook } from "@oclif/core";
import { nearestName } from "../../errors/nearest.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { tooManyArguments } from "./usage-error.ts";

/**
 * oclif's `command_not_found` hook: names the nearest command and ends with exit 2. It never runs its guess: a typo beside
 * `cutover rollback` must not start anything.
 */
const commandNotFound: Hook.CommandNotFound = async ({ id, config }) => {
  const typed = id.replaceAll(":", " ");
  const commands = config.commandIDs.map((name) => name.replaceAll(":", " "));
  // oclif takes every leading word for part of the name, also the argument of a command that takes none.
  const command = commands.find((name) => typed.startsWith(`${name} `));
  if (command !== undefined) throw tooManyArguments(typed.split(" ").length - command.split(" ").length, command);
  const known = [...commands, ...config.topics.map((topic) => topic.name)];
  const near = nearestName(typed, known);
  throw new PghaulError("USAGE", near === null ? `unknown command: ${typed}` : `unknown command: ${typed}; did you mean ${near}?`, {
    suggestion: near === null ? "pghaul help" : `pghaul ${near} --help`,
  });
};

export default commandNotFound;
