import { spawnSync } from "node:child_process";
import { chownSync, lstatSync, mkdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What `spawn` needs to start a process as that user; empty when the current user will do. */
export type RunAs = { readonly uid: number; readonly gid: number } | Record<string, never>;

let cached: RunAs | undefined;

/**
 * The user that servers run as. PostgreSQL refuses to start as root (manual: "The PostgreSQL User Account") and CI is often root,
 * so root borrows an unprivileged account that every Linux has.
 */
export function serverUser(): RunAs {
  cached ??= process.getuid?.() === 0 ? unprivilegedUser() : {};
  return cached;
}

function unprivilegedUser(): RunAs {
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account !== undefined) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error("running as root, and /etc/passwd has neither postgres nor nobody to run PostgreSQL as");
}

/** Hands a path to the user that servers run as. */
export function giveToServerUser(path: string): void {
  const user = serverUser();
  if (user.uid !== undefined) chownSync(path, user.uid, user.gid);
}

/** Whether the server user passes `test FLAG PATH`: asked as that user, because every folder above the path has a say. */
export function serverUserCan(flag: "-r" | "-x", path: string): boolean {
  return spawnSync("/usr/bin/env", ["test", flag, path], { ...serverUser(), cwd: "/" }).status === 0;
}

let root: string | undefined;

/**
 * The folder of everything that the bench keeps outside the repository: binaries, templates, data, port locks.
 * Data folders hold Unix sockets, whose paths end at 107 bytes, and the server user must reach them: a TMPDIR that is
 * private or deep gives way to /tmp.
 */
export function benchRoot(): string {
  if (root !== undefined) return root;
  const base = [tmpdir(), "/tmp", "/var/tmp"].find((dir) => dir.length <= 50 && serverUserCan("-x", dir));
  if (base === undefined) throw new Error("no temporary folder that the server user can reach");
  const path = join(base, `pghaul-bench-${process.getuid?.() ?? 0}`);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  // A folder that somebody else put there first could hand us their binaries.
  if (lstatSync(path).uid !== process.getuid?.()) throw new Error(`${path} belongs to another user`);
  root = path;
  return path;
}
