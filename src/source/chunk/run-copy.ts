import type pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import type { ChunkBudget } from "../../engine/ports.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { type CopyChunkRows, LineCollector } from "./chunk-rows.ts";

const QUERY_CANCELED = "57014";

export interface CopyLimits {
  /** Null: nothing but the statement's own end ends it. `millis` counts from now. */
  readonly budget: ChunkBudget | null;
  /** Makes the server end the statement; settles when the server has been told. */
  readonly cancel: () => Promise<void>;
  readonly signal: AbortSignal;
}

export interface CopyOutcome {
  readonly rows: CopyChunkRows;
  /** The budget ended it, and more rows may follow. */
  readonly cut: boolean;
}

/**
 * Runs a COPY ... TO STDOUT and keeps its rows in memory. When the budget is used up it is cancelled, but never before its first row is
 * complete: a chunk always makes progress, however large the row. After a cut the transaction has failed and wants a rollback.
 *
 * Rejects with the server's error, or with the signal's reason once the statement has ended; in both cases the session is at rest.
 */
export async function runCopy(client: pg.Client, sql: string, { budget, cancel, signal }: CopyLimits): Promise<CopyOutcome> {
  signal.throwIfAborted();
  const lines = new LineCollector();
  const stream = client.query(copyTo(sql));
  let over = false;
  let cancelling: Promise<void> | null = null;
  const stop = () => {
    cancelling ??= cancel().catch(() => {
      // No way left to tell the server: it notices when it next writes.
      client.connection.stream.destroy();
    });
  };
  const review = () => {
    if (budget !== null && lines.bytes >= budget.bytes) over = true;
    if (over && lines.hasRows) stop();
  };
  const timer =
    budget === null
      ? undefined
      : setTimeout(
          () => {
            over = true;
            review();
          },
          Math.max(0, budget.millis),
        );
  signal.addEventListener("abort", stop);
  try {
    const failure = await new Promise<unknown>((resolve) => {
      stream.on("data", (piece: Buffer) => {
        lines.push(piece);
        review();
      });
      stream.once("end", () => resolve(null));
      stream.on("error", (error) => {
        // Destroyed at once: a stream that is read again after an error would take bytes that belong to the session's next answers.
        stream.destroy();
        resolve(error);
      });
    });
    // A signal that arrives late must not hit the next statement; once the server has sent it, an idle session ignores it.
    await cancelling;
    signal.throwIfAborted();
    if (failure === null) return { rows: lines.rows(), cut: false };
    if (cancelling !== null && sqlState(failure) === QUERY_CANCELED) return { rows: lines.rows(), cut: true };
    throw failure;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
