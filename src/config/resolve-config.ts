import { readFileSync } from "node:fs";
import path from "node:path";
import { PghaulError } from "../errors/pghaul-error.ts";
import { registerSecret } from "../observe/redact.ts";
import { parseConninfo } from "../postgres/parse-conninfo.ts";
import type { ConnectionSettings } from "../postgres/resolve-connection.ts";
import type { AvailableConfig } from "./available.ts";
import type { BucketConfig, Config } from "./config.ts";
import type { ConnectionKeys } from "./keys/connection-keys.ts";
import { resolveTarget } from "./targets/targets.ts";
import type { KeyPath, YamlDocument } from "./yaml-document.ts";

/**
 * Follows the references of a valid file: connection strings are read and their passwords registered with the redactor, paths are
 * taken from the file's own folder. Password files and commands are not touched: each connection asks them anew.
 */
export function resolveConfig(parsed: AvailableConfig, document: YamlDocument, stateDirectory: string): Config {
  const folder = path.dirname(path.resolve(document.file));
  const connection = (keys: ConnectionKeys, at: KeyPath) => resolveKeys(keys, { document, folder, at });
  const { source, target, cutover } = parsed;
  return {
    file: path.resolve(document.file),
    migration: parsed.migration,
    source: { connection: connection(source, ["source"]) },
    target: resolveTarget(target, {
      connection: (keys) => connection(keys, ["target"]),
    }),
    tables: parsed.tables,
    state: { dir: stateDirectory, bucket: resolveBucket(parsed.state, document) },
    throttle: parsed.throttle,
    log: parsed.log,
    verify: parsed.verify,
    cutover: {
      ...cutover,
      routing: cutover.routing.map((route) => (route.kind === "document" ? { ...route, file: path.resolve(folder, route.file) } : route)),
    },
  };
}

function resolveBucket(keys: AvailableConfig["state"], document: YamlDocument): BucketConfig | null {
  const { s3, endpoint, region, pathStyle, kmsKey } = keys;
  if (s3 === undefined) {
    const alone = (["endpoint", "region", "pathStyle", "kmsKey"] as const).filter((key) => keys[key] !== undefined);
    if (alone.length === 0) return null;
    throw document.refuse(
      "CONFIG_INVALID",
      alone.map((key) => ({ path: ["state", key], message: "says nothing without state.s3" })),
    );
  }
  const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(s3) ?? [];
  return {
    bucket,
    prefix,
    endpoint: endpoint ?? null,
    region: region ?? null,
    pathStyle: pathStyle ?? endpoint !== undefined,
    kmsKey: kmsKey ?? null,
  };
}

function resolveKeys(keys: ConnectionKeys, place: { document: YamlDocument; folder: string; at: KeyPath }): ConnectionSettings {
  const { document, folder, at } = place;
  const key = keys.url === undefined ? "urlFile" : "url";
  const url = keys.url ?? readUrlFile(path.resolve(folder, keys.urlFile ?? ""), document, [...at, key]);
  return {
    url: checkedUrl(url, document, [...at, key]),
    ...(keys.passwordFile === undefined ? {} : { passwordFile: path.resolve(folder, keys.passwordFile) }),
    ...(keys.passwordCommand === undefined ? {} : { passwordCommand: keys.passwordCommand }),
    ...(keys.rdsIam === undefined ? {} : { rdsIam: keys.rdsIam }),
  };
}

function readUrlFile(file: string, document: YamlDocument, at: KeyPath): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw document.refuse("CONFIG_INVALID", [
      { path: at, message: `the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})` },
    ]);
  }
  const [line = ""] = text.trim().split(/\r?\n/);
  if (line === "") throw document.refuse("CONFIG_INVALID", [{ path: at, message: `the file ${file} is empty` }]);
  return line;
}

/** A string that cannot be understood fails here, where its key and line are known, and not at the first connection. */
function checkedUrl(url: string, document: YamlDocument, at: KeyPath): string {
  try {
    const { password, sslpassword } = parseConninfo(url);
    if (password !== undefined) registerSecret(password);
    if (sslpassword !== undefined) registerSecret(sslpassword);
    return url;
  } catch (error) {
    // Where its password begins and ends is not known, so all of it is a secret from here on.
    registerSecret(url);
    if (!(error instanceof PghaulError)) throw error;
    throw new PghaulError(error.code, `${document.where(at)}: ${error.message}`, {
      ...(error.suggestion === undefined ? {} : { suggestion: error.suggestion }),
    });
  }
}
