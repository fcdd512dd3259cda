import type { Hook } from "@oclif/core";
import { nearestName } from "../errors/nearest.ts";
import { PghaulError } from "../errors/pghaul-error.ts";

/**
 * oclif's `command_not_found` hook: names the nearest command and ends with exit 2. It never runs its guess: a typo beside
 * `cutover rollback` must not start anything.
 */
const commandNotFound: Hook.CommandNotFound = async ({ id, config }) => {
  const typed = id.replaceAll(":", " ");
  const known = [...config.commandIDs, ...config.topics.map((topic) => topic.name)].map((name) => name.replaceAll(":", " "));
  const near = nearestName(typed, known);
  throw new PghaulError("USAGE", near === null ? `unknown command: ${typed}` : `unknown command: ${typed}; did you mean ${near}?`, {
    suggestion: near === null ? "pghaul help" : `pghaul ${near} --help`,
  });
};

export default commandNotFound;
