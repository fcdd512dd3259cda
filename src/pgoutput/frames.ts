/**
 * Frames: raw pgoutput messages one after another, each behind its length (uint32, big endian). The stream hands them over in this
 * form and the log stores them so, hence no message is taken apart, or copied again, on its way to disk.
 */
const FIRST_CAPACITY = 64 * 1024;
/** Room that is kept from one use to the next; the room of a huge message is given back. */
const KEPT_CAPACITY = 1024 * 1024;
const PREFIX = 4;

/** Collects frames in one growing buffer. */
export class FrameBuffer {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;
  /** As much as was taken the last time: growing copies everything again, and the garbage costs more than the copy. */
  #firstCapacity = FIRST_CAPACITY;

  /** Bytes held, prefixes included. */
  get length(): number {
    return this.#length;
  }

  /** Appends `message[start, end)`, copied: the bytes may be reused by the caller. */
  append(message: Buffer, start: number, end: number): void {
    const size = end - start;
    this.#reserve(PREFIX + size);
    this.#bytes.writeUInt32BE(size, this.#length);
    message.copy(this.#bytes, this.#length + PREFIX, start, end);
    this.#length += PREFIX + size;
  }

  /** Appends `frames[start, end)`, which are whole frames. */
  appendFrames(frames: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    frames.copy(this.#bytes, this.#length, start, end);
    this.#length += end - start;
  }

  /** Gives away what it holds and starts anew; the caller owns what it gets. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#firstCapacity = Math.min(Math.max(FIRST_CAPACITY, this.#length), KEPT_CAPACITY);
    this.#bytes = Buffer.alloc(0);
    this.#length = 0;
    return taken;
  }

  /** The first `length` bytes, to be used before the next call: they are not copied. */
  peek(length: number): Buffer {
    return this.#bytes.subarray(0, length);
  }

  /** Forgets the first `length` bytes; the rest moves to the front. */
  drop(length: number): void {
    const rest = this.#bytes.subarray(length, this.#length);
    if (this.#bytes.length > KEPT_CAPACITY && rest.length <= KEPT_CAPACITY) this.#bytes = Buffer.from(rest);
    else this.#bytes.copyWithin(0, length, this.#length);
    this.#length = rest.length;
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#firstCapacity, this.#bytes.length * 2, needed));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** End of the frame that begins at `at`; its message is `[at + 4, end)`. Throws a RangeError when the frame is cut short. */
export function frameEnd(frames: Buffer, at: number): number {
  if (at + PREFIX > frames.length) throw new RangeError(`a frame's length is cut short at ${at}`);
  const end = at + PREFIX + frames.readUInt32BE(at);
  if (end > frames.length) throw new RangeError(`the frame at ${at} is cut short`);
  return end;
}

/** Where the message of the frame at `at` begins. */
export function frameStart(at: number): number {
  return at + PREFIX;
}
