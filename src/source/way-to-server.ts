import { isIP } from "node:net";
import type { ConnectionSpec, HostSpec } from "../postgres/resolve-connection.ts";
import { isSocket, sslModeOf } from "../postgres/ssl-options.ts";
import type { Way } from "./checks/check.ts";

/** What a connection says of the way. Behind a socket, and within this machine, TLS guards nothing, so those hosts do not count for it. */
export function wayTo(spec: ConnectionSpec): Way {
  const remote = spec.hosts.filter((host) => !isThisMachine(host));
  const modes = remote.map((host) => sslModeOf(spec, host));
  return { withinMachine: remote.length === 0, sslMode: modes.find((mode) => mode !== "verify-full") ?? "verify-full" };
}

function isThisMachine(host: HostSpec): boolean {
  return isSocket(host) || (isLoopback(host.host) && isLoopback(host.hostaddr ?? host.host));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
