/**
 * Lines spread over files, so that what belongs together can be read into memory together, however much it is in all. Memory: the buffers here,
 * and one partition while it is read.
 */
import { appendFileSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAbsent, onFiles } from "../file-error.ts";

const BUFFER_BYTES = 32 * 1024 * 1024;
/** More would mean more opening than writing. */
const MAX_PARTITIONS = 4096;
/** What a partition may weigh in memory, for each line not only its text: by default. */
export const PARTITION_BYTES = 32 * 1024 * 1024;
const LINE_BYTES = 160;

/** How many partitions for so much text: a power of two. */
export function partitionsFor({ bytes, lines }: { readonly bytes: number; readonly lines: number }, each: number): number {
  const wanted = (bytes + lines * LINE_BYTES) / each;
  return Math.min(MAX_PARTITIONS, 2 ** Math.max(0, Math.ceil(Math.log2(wanted))));
}

export class PartitionFiles {
  readonly #directory: string;
  readonly #buffers: string[][];
  #buffered = 0;

  private constructor(directory: string, count: number) {
    this.#directory = directory;
    this.#buffers = Array.from({ length: count }, () => []);
  }

  static async make(directory: string, count: number): Promise<PartitionFiles> {
    await onFiles(directory, () => mkdir(directory, { recursive: true }));
    return new PartitionFiles(directory, count);
  }

  get count(): number {
    return this.#buffers.length;
  }

  /** `line` is a byte string without a newline. */
  add(partition: number, line: string): void {
    this.#buffers[partition]?.push(line);
    this.#buffered += line.length + 1;
    if (this.#buffered >= BUFFER_BYTES) this.flush();
  }

  flush(): void {
    for (const [partition, lines] of this.#buffers.entries()) {
      if (lines.length === 0) continue;
      lines.push("");
      appendFileSync(this.#path(partition), lines.join("\n"), "latin1");
      lines.length = 0;
    }
    this.#buffered = 0;
  }

  /** The lines of a partition, with everything that was added. */
  async lines(partition: number): Promise<string[]> {
    this.flush();
    const lines = (await this.#read(partition)).split("\n");
    lines.pop();
    return lines;
  }

  /** Not needed any more. */
  async remove(partition: number): Promise<void> {
    await rm(this.#path(partition), { force: true });
  }

  async #read(partition: number): Promise<string> {
    try {
      return await readFile(this.#path(partition), "latin1");
    } catch (error) {
      if (isAbsent(error)) return "";
      return onFiles(this.#path(partition), () => Promise.reject(error));
    }
  }

  #path(partition: number): string {
    return join(this.#directory, String(partition));
  }
}
