import { constants } from "node:buffer";
import { PghaulError } from "../errors/pghaul-error.ts";
import { formatLsn, type Lsn } from "../model/lsn.ts";
import { UNCHANGED, type Value } from "../model/value.ts";

const NULL_VALUE = 0x6e; // n
const UNCHANGED_VALUE = 0x75; // u
const TEXT_VALUE = 0x74; // t
const BINARY_VALUE = 0x62; // b

/** Walks over one message; every step checks the message's end, so a damaged one fails instead of reading its neighbour. */
export class MessageReader {
  readonly type: number;
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #lsn: Lsn;
  #at: number;

  /** The message is `bytes[start, end)`; `lsn` says in an error where the stream stood. */
  constructor(bytes: Buffer, start: number, end: number, lsn: Lsn) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
    this.#lsn = lsn;
    this.type = this.byte();
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#step(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#step(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#step(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#step(4));
  }

  uint64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#step(8));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#step(8));
  }

  /** A name: UTF-8 up to a zero byte. */
  text(): string {
    const zero = this.#bytes.indexOf(0, this.#at);
    if (zero < 0 || zero >= this.#end) throw this.fault("a name has no end");
    const text = this.#bytes.toString("utf8", this.#at, zero);
    this.#at = zero + 1;
    return text;
  }

  /** `length` bytes as a latin1 string. */
  latin1(length: number): string {
    if (length > constants.MAX_STRING_LENGTH) throw this.fault(`a value of ${length} bytes is longer than a string can be here`);
    const start = this.#step(length);
    return this.#bytes.toString("latin1", start, start + length);
  }

  /** TupleData: one entry a column. */
  tuple(): Value[] {
    const count = this.uint16();
    const row: Value[] = [];
    for (let column = 0; column < count; column++) row.push(this.#value());
    return row;
  }

  /** Refuses a count that the rest of the message cannot hold, before anything is made of it. */
  need(bytes: number): void {
    if (bytes > this.#end - this.#at) throw this.fault(`${bytes} bytes are announced, ${this.#end - this.#at} are there`);
  }

  /** To be called behind the last field. */
  finish(): void {
    if (this.#at !== this.#end) throw this.fault(`${this.#end - this.#at} bytes are left over`);
  }

  fault(what: string): PghaulError {
    const type = this.type === undefined ? "" : ` '${String.fromCharCode(this.type)}'`;
    return new PghaulError("DECODE_FAILED", `message${type}: ${what}`, { context: { lsn: formatLsn(this.#lsn) } });
  }

  #value(): Value {
    switch (this.byte()) {
      case NULL_VALUE:
        return null;
      case UNCHANGED_VALUE:
        return UNCHANGED;
      case TEXT_VALUE:
        return this.latin1(this.uint32());
      case BINARY_VALUE:
        throw this.fault("a value is in binary, which was not asked for");
      default:
        throw this.fault("a value is of unknown kind");
    }
  }

  #step(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw this.fault("it is cut short");
    this.#at = start + length;
    return start;
  }
}
