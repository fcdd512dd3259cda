import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { PghaulError } from "../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../model/side.ts";
import { type PassfileKey, readPassfile } from "./passfile.ts";
import type { ConnectionSpec, HostSpec } from "./resolve-connection.ts";

/** A command may ask a vault over the network, but a reconnect cannot wait for ever. */
const COMMAND_TIMEOUT_MS = 30_000;

/** Directories that libpq builds use as the default socket directory; a password for one is filed under `localhost`. */
const DEFAULT_SOCKET_DIRS = new Set(["/var/run/postgresql", "/run/postgresql", "/tmp"]);

/**
 * The password for one connection, asked for anew each time: IAM tokens live 15 minutes, vaults rotate, and a connection is made
 * again after every failover. Throws a PghaulError of this side when there is none.
 */
export async function readPassword(spec: ConnectionSpec, host: HostSpec, side: SideName): Promise<string> {
  const fail = (message: string) => new PghaulError(sideCode(side, "AUTH"), message);
  const source = spec.password;
  switch (source.kind) {
    case "text":
      return source.read();
    case "file": {
      const text = await readFile(source.path, "utf8").catch((error: NodeJS.ErrnoException) => {
        throw fail(`the password file ${source.path} cannot be read (${error.code})`);
      });
      return firstLine(text) || raise(fail(`the password file ${source.path} is empty`));
    }
    case "command":
      return firstLine(await runCommand(source.argv, fail)) || raise(fail(`the password command ${source.argv[0]} printed nothing`));
    case "rds-iam":
      return rdsToken(source.region, spec, host).catch((error: unknown) => {
        throw fail(`no IAM token for ${spec.user}: ${error instanceof Error ? error.message : String(error)}`);
      });
    case "passfile": {
      const answer = source.path === undefined ? {} : await readPassfile(source.path, passfileKey(spec, host));
      if (answer.password !== undefined && answer.password !== "") return answer.password;
      throw fail(`the server asks for a password, but none was found${answer.ignored === undefined ? "" : `: ${answer.ignored}`}`);
    }
  }
}

/** What the password file is searched for. */
function passfileKey(spec: ConnectionSpec, host: HostSpec): PassfileKey {
  return { host: DEFAULT_SOCKET_DIRS.has(host.host) ? "localhost" : host.host, port: host.port, database: spec.database, user: spec.user };
}

/** No shell: the arguments reach the program as they are. Its output may hold the secret, so an error names the program alone. */
async function runCommand(argv: readonly string[], fail: (message: string) => PghaulError): Promise<string> {
  const [program, ...args] = argv;
  if (program === undefined) throw fail("the password command is empty");
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: COMMAND_TIMEOUT_MS, windowsHide: true });
    return stdout;
  } catch (error) {
    const { code, killed } = error as { code?: number | string; killed?: boolean };
    throw fail(
      `the password command ${program} failed (${killed === true ? `no answer in ${COMMAND_TIMEOUT_MS / 1000} s` : `exit ${code}`})`,
    );
  }
}

/** Signed here, without a round trip; the SDK is loaded only where it is used. */
async function rdsToken(region: string, spec: ConnectionSpec, host: HostSpec): Promise<string> {
  const { Signer } = await import("@aws-sdk/rds-signer");
  return new Signer({ hostname: host.host, port: host.port, username: spec.user, region }).getAuthToken();
}

function firstLine(text: string): string {
  return /^[^\r\n]*/.exec(text)?.[0] ?? "";
}

function raise(error: PghaulError): never {
  throw error;
}
