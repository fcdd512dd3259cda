/** Texts that must be kept until they are asked for: in memory up to a bound, then on the disk. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { onScratch } from "./scratch-file.ts";

/** Where a text lies on the disk. */
export interface Spilled {
  readonly offset: number;
  readonly bytes: number;
}

export class RowTexts {
  readonly #path: string;
  readonly #most: number;
  #held = 0;
  #file: number | null = null;
  #end = 0;

  constructor(path: string, most: number) {
    this.#path = path;
    this.#most = most;
  }

  /** Whether there is room in memory for so much more; then it is taken. */
  hold(bytes: number): boolean {
    if (this.#held + bytes > this.#most) return false;
    this.#held += bytes;
    return true;
  }

  /** What was held is not needed any more. */
  release(bytes: number): void {
    this.#held -= bytes;
  }

  /** Writes a byte string down. */
  spill(text: string): Spilled {
    return onScratch(this.#path, () => {
      this.#file ??= openSync(this.#path, "w+", 0o600);
      const bytes = Buffer.from(text, "latin1");
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done, bytes.length - done, this.#end + done);
      const spilled = { offset: this.#end, bytes: bytes.length };
      this.#end += bytes.length;
      return spilled;
    });
  }

  read({ offset, bytes: length }: Spilled): string {
    return onScratch(this.#path, () => {
      const bytes = Buffer.allocUnsafe(length);
      for (let done = 0; done < length; ) done += readSync(this.#file as number, bytes, done, length - done, offset + done);
      return bytes.toString("latin1");
    });
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}
