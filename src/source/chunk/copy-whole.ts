import type { Readable } from "node:stream";
import type pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import type { WholeRead } from "../../engine/ports.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { asPghaulError } from "../../postgres/wrap-error.ts";
import { endSnapshot } from "../queries/read-queries.ts";
import { copyWholeSql } from "./chunk-sql.ts";
import { openTable } from "./open-table.ts";
import { abandon } from "./read-sessions.ts";

export interface WholeContext {
  readonly client: pg.Client;
  readonly side: SideName;
  readonly label: string;
  readonly signal: AbortSignal;
}

/**
 * Streams a whole table in one snapshot to `consume`, no faster than it takes the pieces, and ends the transaction when it settles.
 *
 * Errors of the side reach `consume` through the stream, under its name; what `consume` throws comes out as it is. A reader that stops
 * early leaves a COPY behind that cannot be skipped, so its session is dropped. Throws BUG when `consume` returns before the end.
 */
export async function copyWhole<T>(
  { client, side, label, signal }: WholeContext,
  table: Table,
  consume: (read: WholeRead) => Promise<T>,
): Promise<T> {
  // The transaction is idle while the target commits; that must not end it.
  const settings = { idle_in_transaction_session_timeout: "0" };
  const { view, hi, reach } = await openTable({ client, side, signal, label, settings }, table);
  const stream = client.query(copyTo(copyWholeSql(table, reach)));
  // The consumer hears of an error by reading; nobody may be reading yet.
  stream.on("error", () => undefined);
  const drop = () => abandon(client);
  signal.addEventListener("abort", drop);
  try {
    const result = await consume({
      view,
      hi,
      copyText: pieces(stream, { side, table, signal }),
      stillThere: () => ask(client, side, table),
    });
    if (!stream.readableEnded)
      throw new PghaulError("BUG", `${table.id}: the copy was not read to its end`, { context: { table: table.id } });
    await endSnapshot(client);
    return result;
  } finally {
    signal.removeEventListener("abort", drop);
    if (!stream.readableEnded) drop();
  }
}

async function* pieces(
  stream: Readable,
  { side, table, signal }: { readonly side: SideName; readonly table: Table; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    signal.throwIfAborted();
    throw asPghaulError(error, side, { table: table.id });
  }
}

/** A crash of the server ends every session. */
async function ask(client: pg.Client, side: SideName, table: Table): Promise<void> {
  try {
    await client.query("select");
  } catch (error) {
    throw asPghaulError(error, side, { table: table.id });
  }
}
