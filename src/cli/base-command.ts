import { Command, Errors, type Interfaces } from "@oclif/core";
import type { ErrorKind } from "../errors/codes.ts";
import type { PghaulError } from "../errors/pghaul-error.ts";
import { exitCodeOf } from "../errors/policy.ts";
import { createProgressBus, type ProgressBus } from "../observe/events.ts";
import { jsonText } from "../observe/json-text.ts";
import { createLogger, type Logger } from "../observe/log.ts";
import { redact } from "../observe/redact.ts";
import { type Confirmation, type ConfirmFlags, confirmDangerous, type DangerousAct, processTerminal } from "./confirm.ts";
import { envelope, newRunId, type Warning } from "./frame/envelope.ts";
import { viewError } from "./frame/error-view.ts";
import { type GlobalFlags, globalFlags } from "./frame/global-flags.ts";
import { listenForStop, type StopSignal } from "./frame/stop.ts";
import { toUsageError } from "./frame/usage-error.ts";
import { type ProgressView, showProgress } from "./progress/show-progress.ts";

/**
 * The frame of every command: global flags, the JSON envelope, warnings, progress, stop signals, exit codes.
 *
 * A command parses its flags, calls one workflow, prints its result with `print` and returns it. It never writes to stdout
 * itself and never exits. `run` must return an object: oclif prints nothing at all for undefined under --json.
 */
export abstract class PghaulCommand<TResult extends object> extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = globalFlags;
  /** Kinds of failure beside bug, usage, config and interrupted that this command can end with; its help lists their exit codes. */
  static exitKinds: readonly ErrorKind[] = [];

  /** Sorts by time; stands in every log line and in the envelope. */
  readonly runId: string = newRunId();
  /** Give it to the workflow. Warnings sent here also reach the envelope. */
  readonly progress: ProgressBus = createProgressBus();

  readonly #warnings: Warning[] = [];
  readonly #printed: string[] = [];
  #stop: StopSignal | undefined;
  #view: ProgressView | undefined;
  #failure: PghaulError | undefined;

  abstract override run(): Promise<TResult>;

  /** Prints a result on stdout, after the progress display has ended; silent under --json, where the returned object is the result. */
  print(text: string): void {
    if (this.jsonEnabled()) return;
    const line = text.endsWith("\n") ? text : `${text}\n`;
    if (this.#view === undefined) process.stdout.write(line);
    else this.#printed.push(line);
  }

  /** Shows progress events on stderr until the command ends; silent under --json. Call it before the work starts. */
  showProgress(flags: Pick<GlobalFlags, "log-level" | "log-format">): void {
    if (this.jsonEnabled()) return;
    const live = flags["log-format"] === "text" && isLiveTerminal(process.stderr);
    this.#view = showProgress(this.progress, { live, logger: this.logger(flags), stream: process.stderr });
  }

  /** From the first call on, Ctrl-C means "finish the chunk" instead of death. For commands that run long. */
  stopSignal(): StopSignal {
    this.#stop ??= listenForStop({ announce: (text) => this.#writeStderr(`${text}\n`) });
    return this.#stop;
  }

  /** A logger on stderr as --log-level and --log-format ask; each line carries the run's id. */
  logger(flags: Pick<GlobalFlags, "log-level" | "log-format">): Logger {
    return createLogger({
      level: flags["log-level"],
      format: flags["log-format"],
      write: (line) => this.#writeStderr(line),
      fields: { run: this.runId },
    });
  }

  /**
   * Asks before a dangerous act, or takes --confirm and --plan-digest for the answer (`confirmFlags`). Throws when not confirmed.
   * Call it before `showProgress`: a live list and a question cannot share a terminal.
   */
  confirm(act: DangerousAct, flags: ConfirmFlags & Pick<GlobalFlags, "no-input">): Promise<Confirmation> {
    return confirmDangerous(act, flags, processTerminal(!flags["no-input"] && !this.jsonEnabled()));
  }

  /**
   * For a command that comes to an answer which is a failure (rows differ, a check failed): the result is still printed and
   * returned, then the error is shown and decides the exit code.
   */
  failWith(error: PghaulError): void {
    this.#failure = error;
  }

  override warn(input: string | Error): string | Error {
    this.progress.emit({ kind: "warning", code: "DEPRECATED", message: input instanceof Error ? input.message : input });
    return input;
  }

  protected override async init(): Promise<void> {
    await super.init();
    this.progress.subscribe((event) => {
      if (event.kind !== "warning") return;
      this.#warnings.push({ code: event.code, message: event.message });
      if (this.#view === undefined && !this.jsonEnabled()) process.stderr.write(`Warning: ${redact(event.message)}\n`);
    });
  }

  protected override async parse<
    F extends Interfaces.OutputFlags<F>,
    B extends Interfaces.OutputFlags<B>,
    A extends Interfaces.OutputArgs<A>,
  >(options?: Interfaces.Input<F, B, A>, argv?: string[]): Promise<Interfaces.ParserOutput<F, B, A>> {
    try {
      return await super.parse(options, argv);
    } catch (error) {
      const flags = Object.keys({ ...this.ctor.baseFlags, ...this.ctor.flags, json: true, help: true });
      throw toUsageError(error, { id: (this.id ?? "").replaceAll(":", " "), flags });
    }
  }

  protected override async _run<T>(): Promise<T> {
    const result = await super._run<T>();
    if (this.#failure === undefined) return result;
    process.exitCode = exitCodeOf(this.#failure);
    if (!this.jsonEnabled()) throw this.#failure;
    return result;
  }

  /** Under --json the error becomes the envelope; otherwise it goes up to `main`, which shows it and sets the exit code. */
  protected override async catch(error: Error): Promise<void> {
    if (error instanceof Errors.ExitError || !this.jsonEnabled()) throw error;
    process.exitCode = exitCodeOf(error);
    this.logJson(this.toErrorJson(error));
  }

  protected override async finally(error: Error | undefined): Promise<void> {
    await this.#view?.close(error !== undefined);
    for (const text of this.#printed) process.stdout.write(text);
    this.#stop?.release();
    await super.finally(error);
  }

  #writeStderr(line: string): void {
    if (this.#view === undefined) process.stderr.write(line);
    else this.#view.write(line);
  }

  protected override toSuccessJson(result: unknown): object {
    const error = this.#failure === undefined ? undefined : viewError(this.#failure);
    return envelope({ result: result as TResult, error, warnings: this.#warnings, runId: this.runId });
  }

  /** oclif's own form of a parse error carries argv and the whole configuration; this one carries what an operator needs. */
  protected override toErrorJson(error: unknown): object {
    return envelope({ error: viewError(error), warnings: this.#warnings, runId: this.runId });
  }

  protected override logJson(json: unknown): void {
    process.stdout.write(`${jsonText(json, 2)}\n`);
  }
}

/** A terminal that can move its cursor, and wide enough for a line: a pseudo-terminal may say 0 columns. */
function isLiveTerminal(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && process.env.TERM !== "dumb" && stream.columns >= 40;
}
