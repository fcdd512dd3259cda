/** Files of lines that live as long as one image. A line is a byte string without a newline. */

import { constants } from "node:buffer";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { scratchError } from "./scratch-directory.ts";

const PIECE_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** Appends lines; what is handed over is written in pieces, so that no string holds them all. */
export function appendLines(path: string, lines: readonly string[]): void {
  onScratch(path, () => {
    const file = openSync(path, "a", 0o600);
    try {
      let text = "";
      for (const line of lines) {
        if (text.length > 0 && text.length + line.length >= PIECE_BYTES) {
          write(file, text);
          text = "";
        }
        if (line.length < PIECE_BYTES) {
          text += `${line}\n`;
          continue;
        }
        write(file, line);
        text = "\n";
      }
      if (text !== "") write(file, text);
    } finally {
      closeSync(file);
    }
  });
}

/** The lines of a file, one after the other; none where there is no file. Memory: a piece and the longest line. */
export function* readLines(path: string): Generator<string> {
  const file = openToRead(path);
  if (file === null) return;
  try {
    let open: Buffer[] = [];
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const bytes = onScratch(path, () => readSync(file, piece, 0, PIECE_BYTES, null));
      if (bytes === 0) break;
      let start = 0;
      for (let end = piece.indexOf(NEWLINE); end !== -1 && end < bytes; end = piece.indexOf(NEWLINE, start)) {
        if (open.length === 0) yield piece.toString("latin1", start, end);
        else yield textOf([...open, piece.subarray(start, end)]);
        open = [];
        start = end + 1;
      }
      if (start < bytes) open.push(piece.subarray(start, bytes));
    }
  } finally {
    closeSync(file);
  }
}

/** Runs what works on a scratch file, with the file system's faults in words. */
export function onScratch<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw scratchError(error, path);
  }
}

/** A line of more than half a gigabyte is no string any more. */
function textOf(pieces: readonly Buffer[]): string {
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  if (bytes > constants.MAX_STRING_LENGTH) throw tooLong(bytes);
  return Buffer.concat(pieces).toString("latin1");
}

function tooLong(bytes: number): PghaulError {
  return new PghaulError("TARGET_DAMAGED", `a row of ${bytes} bytes of text is more than pghaul can put together`, {
    suggestion: "The files are whole; read this row with another program.",
  });
}

function openToRead(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw scratchError(error, path);
  }
}

function write(file: number, text: string): void {
  const bytes = Buffer.from(text, "latin1");
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
