/**
 * The transactions of one segment: where each begins and which relations it touches. Kept in columns, because a segment may hold a few
 * hundred thousand and an object each would cost ten times the memory.
 */
import type { TransactionHeader } from "../../model/change.ts";
import { formatLsn, type Lsn, parseLsn } from "../../model/lsn.ts";

/** Where a transaction's first frame is: the block's offset in the file, and the frame's in the block's raw content. */
export interface Place {
  readonly block: number;
  readonly offset: number;
}

/** A relation message as it came. */
export interface SeenRelation {
  readonly oid: number;
  readonly message: Buffer;
}

export interface IndexedTransaction extends TransactionHeader {
  readonly place: Place;
  /** Raw bytes of its frames. */
  readonly bytes: number;
  /** OIDs of the relations it changes. */
  readonly relations: readonly number[];
  /** Relation messages in it, in order; valid for the transactions behind it. */
  readonly relationMessages: readonly SeenRelation[];
}

/** A relation message, valid for transactions from number `from` of the segment on, until another one of the same OID. */
export interface KnownRelation extends SeenRelation {
  readonly from: number;
}

const FIRST_CAPACITY = 256;
const ROW_BYTES = 54;

interface Meta {
  readonly end: string;
  readonly origins: readonly string[];
  readonly relationSets: readonly (readonly number[])[];
  readonly relations: readonly { readonly from: number; readonly oid: number; readonly message: string }[];
}

export class TransactionIndex {
  #count = 0;
  #xid = new BigUint64Array(FIRST_CAPACITY);
  #commitLsn = new BigUint64Array(FIRST_CAPACITY);
  #endLsn = new BigUint64Array(FIRST_CAPACITY);
  #commitMicros = new BigInt64Array(FIRST_CAPACITY);
  #block = new Float64Array(FIRST_CAPACITY);
  #offset = new Uint32Array(FIRST_CAPACITY);
  #bytes = new Float64Array(FIRST_CAPACITY);
  /** 0 for none, else the origin's number + 1. */
  #origin = new Uint16Array(FIRST_CAPACITY);
  #relationSet = new Uint32Array(FIRST_CAPACITY);
  readonly #origins: string[] = [];
  readonly #relationSets: (readonly number[])[] = [];
  readonly #setNumbers = new Map<string, number>();
  readonly #relations: KnownRelation[] = [];
  readonly #newestRelations = new Map<number, Buffer>();
  /** The position up to which the segment holds everything; at least its header's first LSN. */
  end: Lsn;

  constructor(end: Lsn) {
    this.end = end;
  }

  get count(): number {
    return this.#count;
  }

  /** Distinct sets of relations that transactions touch; `relationSet(n)` is a number in here. */
  get relationSets(): readonly (readonly number[])[] {
    return this.#relationSets;
  }

  /** Relation messages in the order in which they became valid. */
  get relations(): readonly KnownRelation[] {
    return this.#relations;
  }

  append(transaction: IndexedTransaction): void {
    const row = this.#count;
    if (row === this.#xid.length) this.#grow();
    this.#xid[row] = transaction.xid;
    this.#commitLsn[row] = transaction.commitLsn;
    this.#endLsn[row] = transaction.endLsn;
    this.#commitMicros[row] = transaction.commitMicros;
    this.#block[row] = transaction.place.block;
    this.#offset[row] = transaction.place.offset;
    this.#bytes[row] = transaction.bytes;
    this.#origin[row] = this.#originNumber(transaction.origin);
    this.#relationSet[row] = this.#setNumber(transaction.relations);
    this.#count = row + 1;
    if (transaction.endLsn > this.end) this.end = transaction.endLsn;
    for (const { oid, message } of transaction.relationMessages) this.addRelation(oid, message);
  }

  /** Takes a relation message that is valid behind the last transaction. One that says nothing new is left out. */
  addRelation(oid: number, message: Buffer): void {
    if (this.#newestRelations.get(oid)?.equals(message)) return;
    this.#newestRelations.set(oid, message);
    this.#relations.push({ from: this.#count, oid, message });
  }

  /** The newest relation message of each OID: what the next segment begins with. */
  get newestRelations(): ReadonlyMap<number, Buffer> {
    return this.#newestRelations;
  }

  commitLsn(row: number): Lsn {
    return this.#commitLsn[row] as bigint;
  }

  relationSet(row: number): number {
    return this.#relationSet[row] as number;
  }

  place(row: number): Place {
    return { block: this.#block[row] as number, offset: this.#offset[row] as number };
  }

  bytes(row: number): number {
    return this.#bytes[row] as number;
  }

  origin(row: number): string | null {
    const number = this.#origin[row] as number;
    return number === 0 ? null : (this.#origins[number - 1] as string);
  }

  header(row: number): TransactionHeader {
    return {
      xid: this.#xid[row] as bigint,
      commitLsn: this.#commitLsn[row] as bigint,
      endLsn: this.#endLsn[row] as bigint,
      commitMicros: this.#commitMicros[row] as bigint,
      origin: this.origin(row),
    };
  }

  /** The first transaction with commitLsn >= lsn; `count` when there is none. */
  firstAt(lsn: Lsn): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#commitLsn[middle] as bigint) < lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The trailer of a sealed segment: uint32 length, JSON, uint32 count, then the columns one after another. */
  encode(): Buffer {
    const meta: Meta = {
      end: formatLsn(this.end),
      origins: this.#origins,
      relationSets: this.#relationSets,
      relations: this.#relations.map(({ from, oid, message }) => ({ from, oid, message: message.toString("base64") })),
    };
    const json = Buffer.from(JSON.stringify(meta));
    const encoded = Buffer.alloc(4 + json.length + 4 + this.#count * ROW_BYTES);
    let at = encoded.writeUInt32BE(json.length, 0);
    at += json.copy(encoded, at);
    at = encoded.writeUInt32BE(this.#count, at);
    for (const column of [this.#xid, this.#commitLsn, this.#endLsn]) {
      for (let row = 0; row < this.#count; row++) at = encoded.writeBigUInt64BE(column[row] as bigint, at);
    }
    for (let row = 0; row < this.#count; row++) at = encoded.writeBigInt64BE(this.#commitMicros[row] as bigint, at);
    for (const column of [this.#block, this.#bytes]) {
      for (let row = 0; row < this.#count; row++) at = encoded.writeUIntBE(column[row] as number, at, 6);
    }
    for (const column of [this.#offset, this.#relationSet]) {
      for (let row = 0; row < this.#count; row++) at = encoded.writeUInt32BE(column[row] as number, at);
    }
    for (let row = 0; row < this.#count; row++) at = encoded.writeUInt16BE(this.#origin[row] as number, at);
    return encoded;
  }

  /** Throws a RangeError or SyntaxError when the bytes are no index; their checksum is the block's. */
  static decode(encoded: Buffer): TransactionIndex {
    const jsonLength = encoded.readUInt32BE(0);
    const meta = JSON.parse(encoded.toString("utf8", 4, 4 + jsonLength)) as Meta;
    const count = encoded.readUInt32BE(4 + jsonLength);
    const columns = new ColumnReader(encoded, 8 + jsonLength, count);
    const index = new TransactionIndex(parseLsn(meta.end));
    index.#count = count;
    index.#xid = columns.uint64();
    index.#commitLsn = columns.uint64();
    index.#endLsn = columns.uint64();
    index.#commitMicros = columns.int64();
    index.#block = columns.uint48();
    index.#bytes = columns.uint48();
    index.#offset = columns.uint32();
    index.#relationSet = columns.uint32();
    index.#origin = columns.uint16();
    index.#origins.push(...meta.origins);
    for (const set of meta.relationSets) index.#setNumber(set);
    for (const { from, oid, message: text } of meta.relations) {
      const message = Buffer.from(text, "base64");
      index.#relations.push({ from, oid, message });
      index.#newestRelations.set(oid, message);
    }
    return index;
  }

  #originNumber(origin: string | null): number {
    if (origin === null) return 0;
    const known = this.#origins.indexOf(origin);
    return known >= 0 ? known + 1 : this.#origins.push(origin);
  }

  #setNumber(relations: readonly number[]): number {
    const sorted = [...relations].sort((a, b) => a - b);
    const text = sorted.join(",");
    let number = this.#setNumbers.get(text);
    if (number === undefined) {
      number = this.#relationSets.push(sorted) - 1;
      this.#setNumbers.set(text, number);
    }
    return number;
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.#count * 2);
    this.#xid = widened(this.#xid, new BigUint64Array(capacity));
    this.#commitLsn = widened(this.#commitLsn, new BigUint64Array(capacity));
    this.#endLsn = widened(this.#endLsn, new BigUint64Array(capacity));
    this.#commitMicros = widened(this.#commitMicros, new BigInt64Array(capacity));
    this.#block = widened(this.#block, new Float64Array(capacity));
    this.#offset = widened(this.#offset, new Uint32Array(capacity));
    this.#bytes = widened(this.#bytes, new Float64Array(capacity));
    this.#origin = widened(this.#origin, new Uint16Array(capacity));
    this.#relationSet = widened(this.#relationSet, new Uint32Array(capacity));
  }
}

function widened<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}

/** Reads the columns of an encoded index, each `count` long, in the order in which they were written. */
class ColumnReader {
  readonly #bytes: Buffer;
  readonly #count: number;
  #at: number;

  constructor(bytes: Buffer, at: number, count: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#count = count;
  }

  uint64(): BigUint64Array<ArrayBuffer> {
    return this.#fill(new BigUint64Array(this.#count), 8, (at) => this.#bytes.readBigUInt64BE(at));
  }

  int64(): BigInt64Array<ArrayBuffer> {
    return this.#fill(new BigInt64Array(this.#count), 8, (at) => this.#bytes.readBigInt64BE(at));
  }

  uint48(): Float64Array<ArrayBuffer> {
    return this.#fill(new Float64Array(this.#count), 6, (at) => this.#bytes.readUIntBE(at, 6));
  }

  uint32(): Uint32Array<ArrayBuffer> {
    return this.#fill(new Uint32Array(this.#count), 4, (at) => this.#bytes.readUInt32BE(at));
  }

  uint16(): Uint16Array<ArrayBuffer> {
    return this.#fill(new Uint16Array(this.#count), 2, (at) => this.#bytes.readUInt16BE(at));
  }

  #fill<Column extends { [row: number]: Value }, Value>(column: Column, width: number, read: (at: number) => Value): Column {
    for (let row = 0; row < this.#count; row++, this.#at += width) column[row] = read(this.#at);
    return column;
  }
}
