import { createHash } from "node:crypto";
import { canonicalJson } from "../model/canonical-json.ts";
import { parseConninfo } from "../postgres/parse-conninfo.ts";
import type { ConnectionSettings } from "../postgres/resolve-connection.ts";
import type { Config } from "./config.ts";

/**
 * SHA-256, in hex, over everything in the configuration but its secrets and where the files lie on this machine: two operators with
 * passwords of their own get the same digest, and a changed limit or host gives another.
 */
export function configDigest(config: Config): string {
  const { migration, source, target, tables, throttle, log, cutover } = config;
  const open = {
    migration,
    tables,
    throttle,
    log,
    cutover,
    source: { connection: withoutSecrets(source.connection) },
    target: { ...target, connection: withoutSecrets(target.connection) },
  };
  return createHash("sha256").update(canonicalJson(open)).digest("hex");
}

function withoutSecrets(connection: ConnectionSettings): object {
  const { password: _, sslpassword: __, ...open } = parseConninfo(connection.url ?? "");
  return { ...open, rdsIam: connection.rdsIam };
}
