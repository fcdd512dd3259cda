/**
 * What the log asks of the file system so that it survives a power cut. Everything that must be durable goes through here, so that a test can
 * put a disk under the log that forgets whatever it was not told to keep.
 */
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { PghaulError } from "../../errors/pghaul-error.ts";

export interface LogFile {
  /** Writes all bytes. Throws STATE_DISK_FULL. */
  write(bytes: Buffer, offset: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Makes content and length durable, the name not. A failure is final: after it nobody knows what the disk holds. Throws STATE_DISK_FULL. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface LogFiles {
  /** An empty file. */
  make(path: string): Promise<LogFile>;
  /** One that is there, to be changed. */
  open(path: string): Promise<LogFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes names made, renamed or removed in a directory durable. */
  syncDirectory(dir: string): Promise<void>;
}

/** No space, or no quota, or the largest file that is allowed (manual of write(2)). */
const DISK_FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** The real file system. */
export const nodeFiles: LogFiles = {
  make: async (path) => new NodeFile(await open(path, "w+")),
  open: async (path) => new NodeFile(await open(path, "r+")),
  rename,
  remove: unlink,
  async syncDirectory(dir) {
    const handle = await open(dir, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFile implements LogFile {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(bytes: Buffer, offset: number): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      written += await asDiskFull(() =>
        this.#file.write(bytes, written, bytes.length - written, offset + written).then((done) => done.bytesWritten),
      );
    }
  }

  async truncate(length: number): Promise<void> {
    await this.#file.truncate(length);
  }

  /** fdatasync writes the length as well where the file has grown (manual of fdatasync(2)). */
  async sync(): Promise<void> {
    await asDiskFull(() => this.#file.datasync());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function asDiskFull<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | null)?.code;
    if (code === undefined || !DISK_FULL.has(code)) throw error;
    throw new PghaulError("STATE_DISK_FULL", "no space left for the change log", { cause: error });
  }
}
