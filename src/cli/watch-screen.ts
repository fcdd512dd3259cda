/** Takes the terminal's other screen, so that the history of the first one gets no line of what is drawn again and again (xterm, 1049). */
const ENTER = "\u001b[?1049h";
const LEAVE = "\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
}

/** A page that is drawn over itself and never larger than the window. `leave` gives the terminal back as it was. */
export class WatchScreen {
  readonly #terminal: Terminal;
  #entered = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** How many lines fit; the last one stays free, or the terminal would scroll. */
  get lines(): number {
    return Math.max(1, this.#terminal.rows - 1);
  }

  draw(text: string): void {
    const { columns } = this.#terminal;
    const lines = text.trimEnd().split("\n").slice(0, this.lines);
    const drawn = lines.map((line) => `${[...line].slice(0, columns).join("")}${CLEAR_LINE}\r\n`);
    this.#terminal.write(`${this.#entered ? "" : ENTER}${HOME}${drawn.join("")}${CLEAR_BELOW}`);
    this.#entered = true;
  }

  leave(): void {
    if (this.#entered) this.#terminal.write(LEAVE);
    this.#entered = false;
  }
}
