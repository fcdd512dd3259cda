import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SHARED_MEMORY = "/dev/shm";
/** Of `/dev/shm`, and of the machine's memory: two files at a time, with two servers each. */
const NEEDED_BYTES = 8 * 1024 ** 3;
const PREFIX = "pghaul-tests-";

/**
 * A temporary folder in memory, or null where the machine has none that is large enough and runs programs. What pghaul makes durable it syncs, a
 * hundred times a test; on a disk that takes most of a test's time and proves nothing: tests kill processes, which no sync outlives or saves.
 * Lost power has tests of its own, which imitate the disk. The caller removes the folder.
 */
export function memoryFolder(): string | null {
  try {
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    if (Math.min(bavail * bsize, process.availableMemory()) < NEEDED_BYTES) return null;
    removeAbandoned();
    const folder = join(SHARED_MEMORY, `${PREFIX}${process.pid}`);
    mkdirSync(folder);
    // Servers do not run as root.
    chmodSync(folder, 0o755);
    if (runsPrograms(folder)) return folder;
    rmSync(folder, { recursive: true });
    return null;
  } catch {
    return null;
  }
}

/** What a run that was killed has left there. */
function removeAbandoned(): void {
  for (const name of readdirSync(SHARED_MEMORY).filter((entry) => entry.startsWith(PREFIX)))
    if (!existsSync(`/proc/${name.slice(PREFIX.length)}`)) rmSync(join(SHARED_MEMORY, name), { recursive: true, force: true });
}

/** Containers often mount it noexec; hooks and copies of PostgreSQL are run from the temporary folder. */
function runsPrograms(folder: string): boolean {
  const program = join(folder, "probe");
  writeFileSync(program, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}
