import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** A port that no other test process of this machine will take until it is released. */
export interface PortLease {
  readonly port: number;
  readonly lockFile: string;
  release(): void;
}

// Below the kernel's ephemeral range: there, an outgoing connection could take our port while the server is down for a restart.
const FIRST_PORT = 15_000;
const LAST_PORT = 30_000;

/** Leases a free loopback port; `wanted` asks for one in particular. */
export async function leasePort(wanted?: number): Promise<PortLease> {
  // Not in the temporary folder, which each run of a suite may have for itself: ports are the machine's.
  const folder = `/tmp/pghaul-ports-${process.getuid?.() ?? 0}`;
  mkdirSync(folder, { recursive: true });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = wanted ?? FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const lockFile = join(folder, String(port));
    if (!takeLock(lockFile)) {
      if (wanted !== undefined) break;
      continue;
    }
    const release = () => rmSync(lockFile, { force: true });
    if (await isFree(port)) return { port, lockFile, release };
    release();
    if (wanted !== undefined) break;
  }
  throw new Error(wanted === undefined ? "no free port found" : `port ${wanted} is taken`);
}

function takeLock(lockFile: string): boolean {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(lockFile, "wx");
      writeSync(file, String(process.pid));
      closeSync(file);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (isOwnerAlive(lockFile)) return false;
    rmSync(lockFile, { force: true });
  }
  return false;
}

function isOwnerAlive(lockFile: string): boolean {
  try {
    const pid = readFileSync(lockFile, "utf8");
    // Empty: its owner is between open and write.
    if (pid !== "") process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    // A process of somebody else's lives.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
