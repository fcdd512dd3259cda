import { Args } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { SHELLS, type Shell, shellScript } from "../cli/completion/shell-script.ts";

interface CompletionResult {
  readonly shell: Shell;
  readonly script: string;
}

export default class Completion extends PghaulCommand<CompletionResult> {
  static override summary = "Print a shell script that completes commands, flags, tables and the migration's name.";
  static override description =
    `Prints a script for the shell and changes nothing. Load it in the shell's startup file, as the examples show.
The names of tables and of the migration come from pghaul.yaml and the state directory in the current directory, or from --config and --state-dir
on the command line.`;
  static override examples = [
    { description: "bash: add this line to ~/.bashrc", command: "source <(<%= config.bin %> <%= command.id %> bash)" },
    { description: "zsh: add this line to ~/.zshrc", command: "source <(<%= config.bin %> <%= command.id %> zsh)" },
    {
      description: "fish: run this once",
      command: "<%= config.bin %> <%= command.id %> fish > ~/.config/fish/completions/<%= config.bin %>.fish",
    },
  ];
  static override args = {
    shell: Args.string({ description: "The shell: bash, zsh or fish.", required: true, options: [...SHELLS] }),
  };

  override async run(): Promise<CompletionResult> {
    const { args } = await this.parse(Completion);
    const shell = args.shell as Shell;
    const script = shellScript(shell);
    this.print(script);
    return { shell, script };
  }
}
