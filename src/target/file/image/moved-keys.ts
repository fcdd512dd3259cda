import { hash } from "node:crypto";
import type { KeyText } from "../../../model/table.ts";

const BITS = 2 ** 26;

/**
 * Keys of moves with unknown columns, as bits of their hashes: 8 MB, however many there are. A key that is not among them may be taken for one
 * of them, and is then merged with them, to the same end.
 */
export class MovedKeys {
  readonly #bits = new Uint8Array(BITS / 8);
  #isEmpty = true;

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  add(key: KeyText): this {
    const bit = bitOf(key);
    this.#bits[bit >> 3] = (this.#bits[bit >> 3] ?? 0) | (1 << (bit & 7));
    this.#isEmpty = false;
    return this;
  }

  has(key: KeyText): boolean {
    if (this.#isEmpty) return false;
    const bit = bitOf(key);
    return ((this.#bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }
}

function bitOf(key: KeyText): number {
  return Number.parseInt(hash("md5", key, "hex").slice(0, 8), 16) % BITS;
}
