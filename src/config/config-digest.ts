import { createHash } from "node:crypto";
import { canonicalJson } from "../model/canonical-json.ts";
import type { Config } from "./config.ts";
import { withoutSecrets } from "./keys/connection-keys.ts";
import { reviewedTarget } from "./targets/targets.ts";

/**
 * SHA-256, in hex, over everything in the configuration but its secrets and where the files lie on this machine: two operators with
 * passwords of their own get the same digest, and a changed limit or host gives another.
 */
export function configDigest(config: Config): string {
  const { migration, source, target, tables, throttle, log, verify, cutover } = config;
  const open = {
    migration,
    tables,
    throttle,
    log,
    verify,
    cutover,
    source: { connection: withoutSecrets(source.connection) },
    target: reviewedTarget(target),
  };
  return createHash("sha256").update(canonicalJson(open)).digest("hex");
}
