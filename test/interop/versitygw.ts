/** A real S3 server, versitygw: built once with Go, into node_modules/.cache; PGHAUL_VERSITYGW names a binary that is there already. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deadline } from "../support/deadline.ts";
import { leasePort } from "../support/server/ports.ts";

const MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/versitygw", import.meta.url));

/** The binary, or why there is none. The build takes minutes. */
export function versitygw(): { readonly binary: string } | { readonly missing: string } {
  const binary = process.env.PGHAUL_VERSITYGW ?? join(CACHE, "versitygw");
  try {
    if (!existsSync(binary)) {
      execFileSync("go", ["install", MODULE], { env: { ...process.env, GOBIN: CACHE }, stdio: "ignore", timeout: deadline(300_000) });
    }
    return { binary };
  } catch (error) {
    return { missing: `versitygw could not be built with Go: ${(error as Error).message.split("\n")[0]}` };
  }
}

export interface S3Server extends AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** With an empty bucket of the name `bucket`. */
export async function startVersitygw(binary: string): Promise<S3Server> {
  const dir = mkdtempSync(join(tmpdir(), "pghaul-s3-"));
  for (const name of ["data/bucket", "versions"]) mkdirSync(join(dir, name), { recursive: true });
  const lease = await leasePort();
  const access = ["--access", "double", "--secret", "secret"];
  const args = [
    "--quiet",
    "--port",
    `127.0.0.1:${lease.port}`,
    ...access,
    "posix",
    "--versioning-dir",
    join(dir, "versions"),
    join(dir, "data"),
  ];
  const child = spawn(binary, args, { stdio: "ignore" });
  const endpoint = `http://127.0.0.1:${lease.port}`;
  for (let tries = 0; ; tries += 1) {
    const answered = await fetch(endpoint).then(
      () => true,
      () => false,
    );
    if (answered) break;
    if (tries > 200) throw new Error("versitygw does not answer");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port: lease.port,
    endpoint,
    environment: {
      AWS_ACCESS_KEY_ID: "double",
      AWS_SECRET_ACCESS_KEY: "secret",
      AWS_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      lease.release();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
