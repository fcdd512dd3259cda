/**
 * A file system under the log that remembers what it was told to keep, and what a power cut would leave: a file's content as of its last sync, a
 * directory's names as of the last sync of the directory. The files themselves stand in a real directory, for readers.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type LogFile, type LogFiles, nodeFiles } from "../../src/log/segment/log-files.ts";

/** Files by name. */
export type Disk = ReadonlyMap<string, Buffer>;

interface Inode {
  path: string;
  /** Null: nothing of it was ever synced. */
  durable: Buffer | null;
}

export class ForgetfulDisk implements LogFiles {
  readonly #dir: string;
  /** Called after each step that changes what a crash would leave, with what was done. */
  readonly #step: (what: string) => void;
  readonly #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();

  constructor(dir: string, step: (what: string) => void = () => undefined) {
    this.#dir = dir;
    this.#step = step;
  }

  /** A disk whose process was killed: what is in the system's memory, and what of it would survive a power cut now. */
  static after({ seen, kept }: { readonly seen: Disk; readonly kept: Disk }, dir: string, step?: (what: string) => void): ForgetfulDisk {
    const disk = new ForgetfulDisk(dir, step);
    for (const [name, content] of seen) {
      writeFileSync(join(dir, name), content);
      const inode = { path: join(dir, name), durable: kept.get(name) ?? null };
      disk.#names.set(name, inode);
      if (kept.has(name)) disk.#durableNames.set(name, inode);
    }
    return disk;
  }

  /** What another process sees. */
  seen(): Disk {
    return new Map([...this.#names].map(([name, { path }]) => [name, readFileSync(path)]));
  }

  /** What a power cut leaves. */
  kept(): Disk {
    return new Map([...this.#durableNames].map(([name, { durable }]) => [name, durable ?? Buffer.alloc(0)]));
  }

  async make(path: string): Promise<LogFile> {
    const file = await nodeFiles.make(path);
    const inode = { path, durable: null };
    this.#names.set(basename(path), inode);
    this.#step(`make ${basename(path)}`);
    return this.#watched(file, inode);
  }

  async open(path: string): Promise<LogFile> {
    const inode = this.#names.get(basename(path));
    if (inode === undefined) throw new Error(`${path} was not made here`);
    return this.#watched(await nodeFiles.open(path), inode);
  }

  async rename(from: string, to: string): Promise<void> {
    await nodeFiles.rename(from, to);
    const inode = this.#names.get(basename(from)) as Inode;
    inode.path = to;
    this.#names.delete(basename(from));
    this.#names.set(basename(to), inode);
    this.#step(`rename ${basename(to)}`);
  }

  async remove(path: string): Promise<void> {
    await nodeFiles.remove(path);
    this.#names.delete(basename(path));
    this.#step(`remove ${basename(path)}`);
  }

  /** What a power cut may leave: of the names that were removed and not synced since, any may be gone. */
  keptInAnyOrder(): Disk[] {
    const removed = [...this.#durableNames.keys()].filter((name) => !this.#names.has(name));
    let disks: Disk[] = [this.kept()];
    for (const name of removed) {
      const without = disks.map((disk) => new Map([...disk].filter(([other]) => other !== name)));
      disks = disks.concat(without);
    }
    return disks;
  }

  async syncDirectory(dir: string): Promise<void> {
    if (dir === this.#dir) this.#durableNames = new Map(this.#names);
    this.#step(`sync directory ${basename(dir)}`);
  }

  #watched(file: LogFile, inode: Inode): LogFile {
    const step = (what: string): void => this.#step(`${what} ${basename(inode.path)}`);
    return {
      write: async (bytes, offset) => {
        await file.write(bytes, offset);
        step("write");
      },
      truncate: async (length) => {
        await file.truncate(length);
        step("truncate");
      },
      sync: async () => {
        // Not handed on: the real disk would only take its time.
        inode.durable = readFileSync(inode.path);
        step("sync");
      },
      close: () => file.close(),
    };
  }
}
