const NEWLINE = 0x0a;

/** Pieces cut anywhere as blocks of whole lines. Throws a RangeError when the last line has no end. */
export async function* wholeLines(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  for await (const piece of pieces) {
    const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    const end = buffer.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      open.push(buffer);
      continue;
    }
    const head = buffer.subarray(0, end);
    yield open.length === 0 ? head : Buffer.concat([...open, head]);
    open = end < buffer.length ? [buffer.subarray(end)] : [];
  }
  if (open.length > 0) throw new RangeError("the last line has no end");
}

/** The lines of a block, each as [start, end of its text): the newline is at `end`. */
export function* linesOf(block: Buffer): Generator<readonly [start: number, end: number]> {
  for (let start = 0; start < block.length; ) {
    const end = block.indexOf(NEWLINE, start);
    yield [start, end];
    start = end + 1;
  }
}

/** How many lines a block has, and the bytes of the longest. */
export function measureLines(block: Buffer): { readonly lines: number; readonly longest: number } {
  let [lines, longest, start] = [0, 0, 0];
  for (let end = block.indexOf(NEWLINE); end !== -1; end = block.indexOf(NEWLINE, start)) {
    lines += 1;
    longest = Math.max(longest, end - start);
    start = end + 1;
  }
  return { lines, longest };
}
