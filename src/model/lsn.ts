/**
 * A WAL location, 64 bits. PostgreSQL prints it as two hexadecimal halves, `16/B374D848`
 * (manual: "pg_lsn Type"). Order is numeric order; the text must never be compared.
 */
export type Lsn = bigint;

export const ZERO_LSN: Lsn = 0n;

/** Parses `16/B374D848`. Throws a RangeError on anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new RangeError(`not an LSN: ${text}`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Prints as PostgreSQL does: upper case, no leading zeros in either half. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}

export function minLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}
