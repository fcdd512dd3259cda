import { randomBytes } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const CONTROL_FILE = "global/pg_control";
// XLogLongPageHeaderData: 24 bytes of ordinary page header, then xlp_sysid (src/include/access/xlog_internal.h).
const WAL_SYSTEM_IDENTIFIER_OFFSET = 24;

/**
 * Gives a copied, cleanly stopped cluster a system identifier of its own. Copies of one template would all carry the same one,
 * and a product that compares identifiers would take every pair of test servers for one and the same cluster.
 */
export function giveNewSystemIdentifier(data: string): void {
  const identifier = randomBytes(8);
  // Positive as a bigint, which is how pg_control_system() prints it.
  identifier.writeUInt8(identifier.readUInt8(7) & 0x7f, 7);
  const path = join(data, CONTROL_FILE);
  const control = readFileSync(path);
  const crcOffset = findCrc(control);
  identifier.copy(control, 0);
  control.writeUInt32LE(crc32c(control, crcOffset), crcOffset);
  writeFileSync(path, control);
  for (const segment of readdirSync(join(data, "pg_wal")).filter((name) => /^[0-9A-F]{24}$/.test(name))) {
    const file = openSync(join(data, "pg_wal", segment), "r+");
    writeSync(file, identifier, 0, identifier.length, WAL_SYSTEM_IDENTIFIER_OFFSET);
    closeSync(file);
  }
}

/** The checksum ends ControlFileData, whose length differs between versions: it is where the checksum of all before stands. */
function findCrc(control: Buffer): number {
  for (let offset = 200; offset < 512; offset += 4) {
    if (control.readUInt32LE(offset) === crc32c(control, offset)) return offset;
  }
  throw new Error("no checksum found in pg_control");
}

function crc32c(bytes: Buffer, length: number): number {
  let crc = 0xffffffff;
  for (let index = 0; index < length; index += 1) {
    crc ^= bytes[index] as number;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
