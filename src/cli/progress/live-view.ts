import type { DefaultRenderer } from "listr2";
import type { Phase, ProgressEvent, StepEvent } from "../../observe/events.ts";
import { redact } from "../../observe/redact.ts";
import { ProgressState } from "./progress-state.ts";
import { statusLine } from "./status-line.ts";

type Listr2 = typeof import("listr2");

const PHASE_TITLES: Readonly<Record<Phase, string>> = {
  checking: "Checking both sides",
  schema: "Preparing the target",
  slot: "Creating publication and slot",
  barrier: "Waiting for old transactions at the source",
  loading: "Loading",
  indexing: "Finishing the schema",
  "catching-up": "Catching up",
  "caught-up": "Caught up",
  verifying: "Verifying",
  streaming: "Streaming",
  cutover: "Switching over",
};

/** Lines of the log that stay visible under the status while a block is open. */
const NOTES_SHOWN = 3;

/** Progress as a live list on a terminal: one entry a phase or step, the status line of the running one beneath it. */
export class LiveView {
  readonly #state = new ProgressState();
  readonly #stream: NodeJS.WriteStream;
  readonly #listr2: Promise<Listr2>;
  #blocks: Promise<void> = Promise.resolve();
  #open: Block | null = null;
  /** The step whose entry is open; null in a phase. */
  #step: string | null = null;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#listr2 = import("listr2");
  }

  take(event: ProgressEvent): void {
    this.#state.take(event, Date.now());
    if (event.kind === "phase") this.#start(PHASE_TITLES[event.phase], null);
    if (event.kind === "step") this.#takeStep(event);
    else if (event.kind === "warning") this.write(`Warning: ${redact(event.message)}\n`);
    else if (event.kind === "notice") this.write(`${redact(event.message)}\n`);
    else this.#open?.show(redact(statusLine(this.#state.figures())));
  }

  /** Prints a line without tearing the live list: beneath the running entry now, above the next one for good. */
  write(line: string): void {
    if (this.#open === null) this.#stream.write(line);
    else this.#open.note(line);
  }

  /** Ends the running entry, as failed when the work has failed, and waits until the terminal is released. */
  async close(failed: boolean): Promise<void> {
    this.#end(!failed);
    await this.#blocks;
  }

  #takeStep(step: StepEvent): void {
    if (step.state === "running") this.#start(step.title, step.id);
    else if (step.state === "undone") {
      this.#start(`Undone: ${step.title}`, step.id);
      this.#end(true);
    } else if (this.#step === null) this.write(`${step.state === "done" ? "done" : "FAILED"}: ${step.title}\n`);
    else this.#end(step.state === "done");
  }

  #start(title: string, step: string | null): void {
    this.#end(true);
    this.#step = step;
    const block = new Block(title);
    this.#open = block;
    this.#blocks = this.#blocks.then(async () => block.render(await this.#listr2, this.#stream));
  }

  #end(ok: boolean): void {
    this.#open?.end(ok);
    this.#open = null;
    this.#step = null;
  }
}

/** One entry of the list. Blocks are drawn one after another; what arrives before a block's turn is shown when it comes. */
class Block {
  readonly #title: string;
  readonly #ended = Promise.withResolvers<void>();
  readonly #notes: string[] = [];
  #status = "";
  #over = false;
  #redraw: () => void = () => {};

  constructor(title: string) {
    this.#title = title;
    this.#ended.promise.catch(() => {}); // A failed block is a red cross; the error itself is shown by the command.
  }

  show(status: string): void {
    this.#status = status;
    this.#redraw();
  }

  note(line: string): void {
    this.#notes.push(line);
    this.#redraw();
  }

  end(ok: boolean): void {
    this.#over = true;
    this.#redraw();
    if (ok) this.#ended.resolve();
    else this.#ended.reject(new Error("failed"));
  }

  async render(listr2: Listr2, stream: NodeJS.WriteStream): Promise<void> {
    const task = (_: unknown, wrapper: { output: string }): Promise<void> => {
      this.#redraw = () => {
        // Once over, the entry keeps its figures; the notes follow beneath it, all of them.
        const notes = this.#over ? [] : this.#notes.slice(-NOTES_SHOWN).map((line) => line.trimEnd());
        wrapper.output = [this.#status, ...notes].join("\n").trim();
      };
      this.#redraw();
      return this.#ended.promise;
    };
    const list = new listr2.Listr([{ title: this.#title, task, rendererOptions: { persistentOutput: true } }], {
      renderer: stderrRenderer(listr2),
      rendererOptions: { logger: stderrLogger(listr2, stream), collapseErrors: false, showErrorMessage: false },
      // listr2's own handler would end the process with 127 before our checkpoint is written.
      registerSignalListeners: false,
    });
    await list.run().catch(() => {});
    for (const line of this.#notes) stream.write(line);
  }
}

/** listr2 refuses its live renderer when *stdout* is a pipe; ours draws on stderr, which is a terminal here. */
function stderrRenderer(listr2: Listr2): typeof DefaultRenderer {
  return class extends listr2.DefaultRenderer {
    static override nonTTY = true;
  };
}

function stderrLogger(listr2: Listr2, stream: NodeJS.WriteStream): InstanceType<Listr2["ListrLogger"]> {
  return new listr2.ListrLogger({ useIcons: true, toStderr: [], processOutput: new listr2.ProcessOutput(stream, stream) });
}
