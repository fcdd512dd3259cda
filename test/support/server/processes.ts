import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { deadline } from "../deadline.ts";

/** Every process of a server: PostgreSQL's processes, and nothing else, have the data folder as their working directory. */
export function processesIn(dataDir: string): number[] {
  return existsSync("/proc/self/cwd") ? processesByProc(dataDir) : processesByLsof(dataDir);
}

function processesByProc(dataDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === dataDir;
      } catch {
        return false;
      }
    })
    .map(Number);
}

const LSOF = ["-a", "-d", "cwd", "-c", "postgres", "-F", "pn"];

/** The same where there is no /proc; macOS comes with lsof, and has /tmp behind a link. */
export function processesByLsof(dataDir: string): number[] {
  // Its status is 1 as well where it finds nothing; a path that is gone has no processes that we started.
  const { stdout, error } = spawnSync("lsof", LSOF, { encoding: "utf8" });
  if (error !== undefined) throw error;
  const real = existsSync(dataDir) ? realpathSync(dataDir) : dataDir;
  return stdout.split(/^p/m).flatMap((entry) => {
    const [pid, ...fields] = entry.split("\n");
    return fields.includes(`n${real}`) ? [Number(pid)] : [];
  });
}

/** SIGKILL to all of them, as the out-of-memory killer or a power cut would; resolves when none is left. */
export async function killProcessesIn(dataDir: string): Promise<void> {
  const lastLook = Date.now() + deadline(10_000);
  for (let pids = processesIn(dataDir); pids.length > 0; pids = processesIn(dataDir)) {
    if (Date.now() > lastLook) throw new Error(`processes ${pids.join(", ")} of ${dataDir} do not die`);
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone between the look and the kill.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const WATCH = `
cat >/dev/null
processes() {
  if [ -e /proc/self/cwd ]; then
    for cwd in /proc/[0-9]*/cwd; do
      if [ "$(readlink "$cwd" 2>/dev/null)" = "$1" ]; then pid=\${cwd#/proc/}; echo "\${pid%/cwd}"; fi
    done
  else
    real=$(cd "$1" 2>/dev/null && pwd -P)
    lsof ${LSOF.join(" ")} 2>/dev/null | awk -v path="n$real" '/^p/ { pid = substr($0, 2) } $0 == path { print pid }'
  fi
}
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  found=$(processes "$1/data")
  [ -z "$found" ] && break
  kill -9 $found 2>/dev/null
  sleep 0.2
done
rm -rf "$1" "$2"
`;

/**
 * Starts the process that cleans up after us whatever happens to us: its standard input is a pipe from this process, and the
 * kernel closes that when we exit, are killed, or call the returned function. It then kills the server in `home`/data and removes
 * `home` and the port's lock. It has its own session, so a Ctrl-C for us is none for it.
 */
export function startWatchdog(home: string, lockFile: string): () => Promise<void> {
  const watchdog = spawn("/bin/sh", ["-c", WATCH, "pghaul-watchdog", home, lockFile], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  const ended = new Promise<void>((resolve, reject) => {
    watchdog.once("exit", () => resolve());
    watchdog.once("error", reject);
  });
  watchdog.unref();
  // The pipe must not keep a finished test process alive either.
  (watchdog.stdin as unknown as { unref(): void }).unref();
  return async () => {
    watchdog.ref();
    watchdog.stdin.end();
    await ended;
  };
}
