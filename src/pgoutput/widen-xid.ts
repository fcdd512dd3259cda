/**
 * The 64-bit xid behind the low 32 bits that pgoutput sends, given any 64-bit xid that is less than 2^31 away from it.
 *
 * Wraparound protection keeps every running or prepared transaction within 2^31 of the next xid, so the newest xid that the stream has
 * shown is such a reference (manual: "Preventing Transaction ID Wraparound Failures"). It must be done while tailing: days later, more
 * than 2^31 xids may have gone by.
 */
export function widenXid(reference: bigint, xid32: number): bigint {
  return reference + BigInt((xid32 - Number(reference & 0xffffffffn)) | 0);
}

/** Of two 64-bit xids the one that was given out later. */
export function newerXid(a: bigint, b: bigint): bigint {
  return a < b ? b : a;
}
