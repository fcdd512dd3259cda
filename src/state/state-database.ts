import type Database from "better-sqlite3";
import { stateError } from "./storage/state-error.ts";

/** The open state database: SQL goes through `sqlite`, durability and errors through `write` and `read`. */
export class StateDatabase {
  readonly directory: string;
  readonly sqlite: Database.Database;

  constructor(directory: string, sqlite: Database.Database) {
    this.directory = directory;
    this.sqlite = sqlite;
  }

  /**
   * Runs `work` in one transaction, durable when this returns; inside another `write` it becomes part of that one, so that facts
   * of several stores become true together. Throws STATE_DISK_FULL, STATE_CORRUPT or STATE_LOCKED for SQLite's own faults.
   *
   * IMMEDIATE takes the write lock first: a transaction that reads, then writes, could not wait for another writer half way
   * (sqlite.org/lang_transaction.html, SQLITE_BUSY_SNAPSHOT).
   */
  write<T>(work: () => T): T {
    if (this.sqlite.inTransaction) return work();
    return this.read(() => this.sqlite.transaction(work).immediate());
  }

  /**
   * The same, visible to everybody at once, but durable only with the next `write`: a power cut may take it back, the end of a process not.
   * For figures, and for what the target tells again. It spares the one thread that streams and copies an fsync.
   */
  note<T>(work: () => T): T {
    if (this.sqlite.inTransaction) return work();
    this.sqlite.pragma("synchronous = normal");
    try {
      return this.write(work);
    } finally {
      this.sqlite.pragma("synchronous = full");
    }
  }

  /** Runs `work`, which only reads, with the same errors. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw stateError(error, this.directory);
    }
  }

  /** Writes a copy of one moment to `file`, while others read and write (sqlite.org/backup.html). */
  async backup(file: string): Promise<void> {
    try {
      await this.sqlite.backup(file);
    } catch (error) {
      throw stateError(error, this.directory);
    }
  }

  close(): void {
    this.sqlite.close();
  }
}
