import { PghaulCommand } from "../cli/base-command.ts";
import { type Candidate, candidates, flagValue } from "../cli/completion/candidates.ts";
import { commandShapes } from "../cli/completion/command-shapes.ts";
import { readKnownNames } from "../workflow/known-names.ts";

interface CompleteResult {
  readonly candidates: readonly Candidate[];
}

/** What the scripts of `pghaul completion` call; a line is a candidate, a tab, its description. */
export default class Complete extends PghaulCommand<CompleteResult> {
  static override hidden = true;
  static override strict = false;
  static override summary = "Print the candidates for the last word given.";

  override async run(): Promise<CompleteResult> {
    const { argv, flags } = await this.parse(Complete);
    const words = argv as string[];
    const file = flagValue(words, "config") ?? flags.config;
    const stateDirectory = flagValue(words, "state-dir") ?? flags["state-dir"];
    const found = await candidates(words, commandShapes(this.config), () => readKnownNames({ file, stateDirectory }));
    if (found.length > 0) this.print(found.map(({ value, description }) => `${value}\t${description.replace(/\s+/g, " ")}`).join("\n"));
    return { candidates: found };
  }
}
