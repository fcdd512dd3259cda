import { constants, existsSync } from "node:fs";
import { access, readdir, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { type Answer, fail, pass, warn } from "../../conditions/condition.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { type Check, type CheckContext, check } from "./check.ts";

const TOO_LITTLE_BYTES = 1e9;

/** What this machine must have. */
export const MACHINE_CHECKS: readonly Check[] = [
  check("state-directory", "neither", "the state directory can be written", stateDirectoryWritable),
  check("state-disk", "neither", "the state directory has room for the change log", stateDisk),
  check("source-disk", "source", "the change log is not on the disk of the source's data", sourceDisk),
  check("client-tools", "source", "a pg_dump that can read the source is installed", clientTools),
  check("cutover-route", "neither", "a route can point applications to the other side", ({ routes }) => routeOf(routes)),
];

/** A switch that nobody follows is an outage, so there is none without a route; said now, and not when the switch is planned. */
function routeOf(routes: readonly string[]): Answer {
  if (routes.length > 0) return pass(routes.join(", "));
  return warn(
    "cutover.routing names no route: `cutover plan` and `cutover run` will refuse, because nothing would send the applications to the other side",
    "cutover: { routing: [ { kind: hook, command: [./route.sh] } ] }   # in the configuration; docs/routing.md has an example",
  );
}

/** The directory and what is in it, or the place where it is to be made. */
async function stateDirectoryWritable({ stateDirectory }: CheckContext): Promise<Answer> {
  const wanted = path.resolve(stateDirectory);
  const nearest = nearestExisting(wanted);
  if (!(await stat(nearest)).isDirectory())
    return fail(`${nearest} is a file, but ${wanted} must be a directory`, `mv ${quoted(nearest)} ${quoted(`${nearest}.old`)}`);
  const { R_OK, W_OK, X_OK } = constants;
  const refused = await refusal(nearest, R_OK | W_OK | X_OK);
  if (refused !== null) return unwritable(wanted, nearest, refused);
  if (nearest !== wanted) return pass(`${wanted} can be created`);
  for (const entry of await readdir(wanted, { withFileTypes: true })) {
    const one = path.join(wanted, entry.name);
    const stop = await refusal(one, entry.isDirectory() ? R_OK | W_OK | X_OK : R_OK | W_OK);
    if (stop !== null) return unwritable(wanted, one, stop);
  }
  return pass(`${wanted} is writable`);
}

/** The code of the error with which the system refuses; null when it does not. */
async function refusal(file: string, mode: number): Promise<string | null> {
  try {
    await access(file, mode);
    return null;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return code === "ENOENT" ? null : code;
  }
}

async function unwritable(wanted: string, file: string, code: string): Promise<Answer> {
  const inside = file === wanted || file.startsWith(`${wanted}${path.sep}`);
  if (code === "EROFS") return fail(`${file} is on a read-only file system`, "set state.dir to a writable disk");
  const { mode, uid, gid } = await stat(file);
  const me = `${process.geteuid?.()}:${process.getegid?.()}`;
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  const evidence = `${file} belongs to ${uid}:${gid} with mode ${octal}; ${me} may not write to it (${code})`;
  if (!inside) return fail(evidence, `sudo install -d -m 700 -o ${process.geteuid?.()} -g ${process.getegid?.()} ${quoted(wanted)}`);
  return fail(evidence, `sudo chown -R ${me} ${quoted(wanted)} && chmod -R u+rwX ${quoted(wanted)}`);
}

/** For a shell. */
function quoted(file: string): string {
  return /^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
}

/** The change log grows here while the target is away or a table loads. */
async function stateDisk({ stateDirectory, wantedStateBytes }: CheckContext): Promise<Answer> {
  const { bavail, bsize } = await statfs(nearestExisting(path.resolve(stateDirectory)));
  const free = bavail * bsize;
  const evidence = `${gigabytes(free)} free for the change log at ${stateDirectory}`;
  if (free < TOO_LITTLE_BYTES) return fail(evidence, "free space, or set state.dir to a larger disk");
  if (free < wantedStateBytes)
    return warn(`${evidence}; ${gigabytes(wantedStateBytes)} are recommended`, "free space, or set state.dir to a larger disk");
  return pass(evidence);
}

/** The change log is fsynced as often as the source commits: on one disk each waits for the other. */
async function sourceDisk({ source, stateDirectory, deviceOf }: CheckContext): Promise<Answer> {
  if (!source.way.withinMachine) return pass("the source is on another machine");
  // Without pg_read_all_settings the directory is not told (manual: "Predefined Roles").
  const data = (await source.settings(["data_directory"])).get("data_directory");
  const there = data === undefined || data === "" ? null : await deviceOf(data);
  const here = await deviceOf(nearestExisting(path.resolve(stateDirectory)));
  if (there === null || here === null) return pass("pghaul cannot see where the source keeps its data");
  if (there !== here) return pass(`the change log at ${stateDirectory} and the source's data are on different disks`);
  return warn(
    `the change log at ${stateDirectory} is on the same disk as the source's data (${data}): its fsyncs slow down the source's commits`,
    "set state.dir to another disk",
  );
}

function nearestExisting(directory: string): string {
  return existsSync(directory) || path.dirname(directory) === directory ? directory : nearestExisting(path.dirname(directory));
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

async function clientTools({ source, findClientTools }: CheckContext): Promise<Answer> {
  try {
    return pass(await findClientTools(Math.floor((await source.server()).version / 10_000)));
  } catch (error) {
    if (!(error instanceof PghaulError) || error.code !== "TOOL_MISSING") throw error;
    return fail(error.message, error.suggestion ?? null);
  }
}
