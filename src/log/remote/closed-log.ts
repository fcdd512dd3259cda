import { readdirSync } from "node:fs";
import { join } from "node:path";
import { nodeFiles } from "../segment/log-files.ts";
import { parseSegmentName } from "../segment/segment-format.ts";
import { readSealed, SegmentScan } from "../segment/segment-scan.ts";
import type { DurableFile } from "./segment-store.ts";
import type { UploadedLog } from "./segment-upload.ts";

/** A stream's log that nobody writes; null where there is none. What a crash left of an unfinished transaction is no part of it. Throws LOG_CORRUPT. */
export async function openClosedLog(dir: string): Promise<UploadedLog | null> {
  const names = segmentNames(dir);
  const files: DurableFile[] = names.map((name) => ({ path: join(dir, name), firstLsn: parseSegmentName(name) ?? 0n, length: null }));
  const last = files.pop();
  if (last === undefined) return null;
  const sealed = await readSealed(last.path);
  const { index, boundary } = sealed ?? (await (await SegmentScan.start(last.path)).advance());
  // Whoever wrote it may have died before it was on disk.
  const file = await nodeFiles.open(last.path);
  await file.sync().finally(() => file.close());
  files.push({ ...last, length: sealed === null ? boundary : null });
  return { durable: () => ({ lsn: index.end }), durableFiles: () => files };
}

function segmentNames(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
      .filter((name) => parseSegmentName(name) !== null)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
