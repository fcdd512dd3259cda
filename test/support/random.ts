/** A source of randomness that the same seed repeats exactly. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number, both ends included. */
  integer(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** Lower-case hexadecimal digits. */
  hex(length: number): string;
  /** An independent source for a part of the work, so that parts that run side by side do not disturb each other's order. */
  fork(name: string | number): Random;
}

export function seededRandom(seed: string | number): Random {
  let state = hash(String(seed));
  // Mulberry32: small, and good enough to scatter work.
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const integer = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick: <Item>(items: readonly Item[]) => items[integer(0, items.length - 1)] as Item,
    hex: (length) => {
      let digits = "";
      while (digits.length < length) digits += integer(0, 0xfffffff).toString(16).padStart(7, "0");
      return digits.slice(0, length);
    },
    fork: (name) => seededRandom(`${seed}/${name}`),
  };
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ (character.codePointAt(0) as number), 0x01000193);
  return value | 0;
}
