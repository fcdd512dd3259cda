/**
 * COPY BOTH over a `pg` client: a query object that `pg` hands every CopyData message of, straight from its own parser, and through which
 * we write. (manual: "Message Flow", COPY Operations; "Streaming Replication Protocol".)
 */
import type pg from "pg";

/** What `pg`'s connection can do and its types do not say. */
interface CopyConnection extends pg.Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

export interface CopyBothHandler {
  /** The server has entered COPY BOTH mode. */
  started(): void;
  /** One CopyData message. The bytes are the parser's own and change after the call. */
  data(message: Buffer): void;
  /** The copy is over: by an error of server or socket, or null when the server ended it in order. Called once. */
  ended(error: unknown): void;
}

export class CopyBothQuery {
  readonly #text: string;
  readonly #handler: CopyBothHandler;
  #connection: CopyConnection | null = null;
  #ended = false;

  constructor(text: string, handler: CopyBothHandler) {
    this.#text = text;
    this.#handler = handler;
  }

  send(message: Buffer): void {
    if (!this.#ended) this.#connection?.sendCopyFromChunk(message);
  }

  /** Our side of the copy is done; the server finishes its own and then calls it over. */
  finish(): void {
    if (!this.#ended) this.#connection?.endCopyFrom();
  }

  pause(): void {
    this.#connection?.stream.pause();
  }

  resume(): void {
    this.#connection?.stream.resume();
  }

  /** Called by `pg` when it is this query's turn. */
  submit(connection: pg.Connection): void {
    this.#connection = connection as CopyConnection;
    connection.once("replicationStart", () => this.#handler.started());
    connection.query(this.#text);
  }

  /** Called by `pg`. */
  handleCopyData(message: { readonly chunk: Buffer }): void {
    if (!this.#ended) this.#handler.data(message.chunk);
  }

  /** Called by `pg`: the tag of the command says nothing. */
  handleCommandComplete(): void {}

  /** Called by `pg`: an ErrorResponse, or the end of the connection. */
  handleError(error: unknown): void {
    this.#end(error);
  }

  /** Called by `pg`. */
  handleReadyForQuery(): void {
    this.#end(null);
  }

  #end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handler.ended(error);
  }
}
