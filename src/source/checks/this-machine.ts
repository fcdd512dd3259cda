import { isIP } from "node:net";
import type { ConnectionSpec, HostSpec } from "../../postgres/resolve-connection.ts";
import { isSocket } from "../../postgres/ssl-options.ts";

/** Reached through a socket or a loopback address. */
export function isThisMachine(host: HostSpec): boolean {
  return isSocket(host) || (isLoopback(host.host) && isLoopback(host.hostaddr ?? host.host));
}

export function isOnThisMachine({ hosts }: Pick<ConnectionSpec, "hosts">): boolean {
  return hosts.every(isThisMachine);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
