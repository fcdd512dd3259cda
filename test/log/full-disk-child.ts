/** Run by a test under a limit on file sizes: appends until the disk is "full", and says what it was told. */
import { randomBytes } from "node:crypto";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { pgoutput } from "../pgoutput/encode.ts";
import { lsnOf, NEVER, openLog } from "./bench.ts";

const log = await openLog(process.argv[2] as string, { durable: { lsn: lsnOf(6) + 8n, xidReference: 706n } });
const waiter = log.waitPassed(lsnOf(100), NEVER).then(() => "passed", codeOf);
const noise = randomBytes(200_000).toString("latin1");
log.append(pgoutput.transaction(lsnOf(7), 707, pgoutput.insert(1, ["7", noise])));
const first = await log.flush().then(() => "written", codeOf);
const second = await log.flush().then(() => "written", codeOf);
process.stdout.write(`${first} ${second} waiter:${await waiter}\n`);

function codeOf(error: unknown): string {
  return error instanceof PghaulError ? error.code : String(error);
}
