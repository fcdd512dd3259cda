import { createHash } from "node:crypto";
import { parseConninfo } from "../postgres/parse-conninfo.ts";
import type { ConnectionSettings } from "../postgres/resolve-connection.ts";
import { canonicalJson } from "../model/canonical-json.ts";
import type { Config } from "./config.ts";

/**
 * SHA-256, in hex, over everything in the configuration but its secrets and where the files lie on this machine: two operators with
 * passwords of their own get the same digest, and a changed limit or host gives another.
 */
export function configDigest(config: Config): string {
  const { migration, source, target, tables, throttle, log, cutover } = config;
  const open = {
    migration, tables, throttle, log, cutover,
    source: { connection: withoutSecrets(source.connection), replica: source.replica === null ? null : withoutSecrets(source.replica) },
    target: { ...target, connection: withoutSecrets(target.connection) },
  };
  return createHash("sha256").update(canonicalJson(open)).digest("hex");
}

/** What must not change while a state directory is in use, in words for `claimIdentity`; the databases' own identity comes from them. */
export function configIdentity(config: Config): Readonly<Record<string, string>> {
  const { include, exclude } = config.tables;
  return {
    migration: config.migration,
    "target kind": config.target.kind,
    tables: `${include.join(", ")}${exclude.length === 0 ? "" : ` without ${exclude.join(", ")}`}`,
  };
}

function withoutSecrets(connection: ConnectionSettings): object {
  const { password: _, sslpassword: __, ...open } = parseConninfo(connection.url ?? "");
  return { ...open, rdsIam: connection.rdsIam };
}
