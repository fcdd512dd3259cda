/**
 * A route that is a small JSON document, replaced atomically: `{"version", "migration", "primary", "updatedAt"}`. Applications, or the
 * agent that configures them, read it. There is nothing to pause: the fence refuses late writers, and they try again.
 */

import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Route } from "../cutover/ports.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";

interface RouteDocument {
  readonly version: number;
  readonly migration: string;
  readonly primary: SideName;
  readonly updatedAt: string;
}

export interface DocumentOptions {
  readonly file: string;
  readonly migration: string;
  readonly now: () => Date;
}

export class DocumentRoute implements Route {
  readonly kind = "document";
  readonly #options: DocumentOptions;
  /** What was given up at its limit and has not come back: a disk of another machine may hang, and go on. */
  #late: Promise<unknown> | null = null;

  constructor(options: DocumentOptions) {
    this.#options = options;
  }

  /** Nothing of it outlives the process; what this process gave up is waited for. */
  async takeOver(limitMillis: number): Promise<void> {
    await this.#within(limitMillis, async () => undefined);
  }

  async pause(): Promise<void> {}

  async resume(): Promise<void> {}

  async switchTo(side: SideName, limitMillis: number): Promise<void> {
    const { file, migration, now } = this.#options;
    await this.#within(limitMillis, async (isLate) => {
      const before = await this.#read();
      const document = { version: (before?.version ?? 0) + 1, migration, primary: side, updatedAt: now().toISOString() };
      await replaceFile(file, document, isLate);
    });
  }

  /** No document yet means that nothing was ever switched: the source is primary. */
  async current(limitMillis: number): Promise<SideName> {
    return await this.#within(limitMillis, async () => (await this.#read())?.primary ?? "source");
  }

  /**
   * Runs `work` behind what an earlier call still does, and stops waiting at the limit; `work` asks whether it is late before it changes what
   * others see. A rename that hangs itself may still come: so nothing is said of the document until it has. Throws ROUTE_FAILED.
   */
  async #within<T>(limitMillis: number, work: (isLate: () => boolean) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const earlier = this.#late;
    const running = (async () => {
      await earlier?.catch(() => undefined);
      return await work(() => late.signal.aborted);
    })();
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.abort();
      limit.reject(new PghaulError("ROUTE_FAILED", `${this.#options.file} could not be used within ${Math.round(limitMillis)} ms`));
    }, limitMillis);
    try {
      return await Promise.race([running, limit.promise]);
    } finally {
      clearTimeout(timer);
      const left = running
        .catch(() => undefined)
        .then(() => {
          if (this.#late === left) this.#late = null;
        });
      this.#late = left;
    }
  }

  async #read(): Promise<RouteDocument | null> {
    const { file, migration } = this.#options;
    const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (text === null) return null;
    const document = parse(text, file);
    if (document.migration === migration) return document;
    throw new PghaulError("ROUTE_FAILED", `${file} belongs to another migration, "${document.migration}"`);
  }
}

function parse(text: string, file: string): RouteDocument {
  try {
    const document = JSON.parse(text) as RouteDocument;
    if (document.primary === "source" || document.primary === "target") return document;
  } catch (error) {
    throw new PghaulError("ROUTE_FAILED", `${file} is not a route document`, { cause: error });
  }
  throw new PghaulError("ROUTE_FAILED", `${file} does not name source or target as the primary`);
}

/** Readers see the old document or the new one, also after a power cut: write aside, fsync, rename, fsync the folder. */
async function replaceFile(file: string, document: RouteDocument, isLate: () => boolean): Promise<void> {
  const aside = `${file}.new`;
  const handle = await open(aside, "w", 0o644);
  try {
    await handle.writeFile(`${JSON.stringify(document, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (isLate()) return;
  await rename(aside, file);
  const folder = await open(dirname(file), "r");
  await folder.sync().finally(() => folder.close());
}
