import Table from "cli-table3";

/** A column; numbers read better aligned to the right. */
export interface TableColumn {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * Rows for a person on a terminal, tab-separated values anywhere else (`cut -f2`, spreadsheets). Ends with a newline.
 *
 * Never coloured: cli-table3 colours its borders even into a pipe and ignores NO_COLOR unless told to use no styles at all.
 */
export function renderTable(columns: readonly TableColumn[], rows: readonly (readonly string[])[], terminal = isTerminal()): string {
  const titles = columns.map((column) => column.title);
  if (!terminal) return [titles, ...rows].map((row) => `${row.map(oneCell).join("\t")}\n`).join("");
  const table = new Table({
    head: titles,
    colAligns: columns.map((column) => column.align ?? "left"),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: NO_BORDERS,
  });
  table.push(...rows.map((row) => row.map(oneCell)));
  return `${table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}

/** One row, one line: whatever a name in the database holds. */
function oneCell(text: string): string {
  return text.replace(/[\t\r\n]+/g, " ");
}

function isTerminal(): boolean {
  return process.stdout.isTTY === true;
}

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};
