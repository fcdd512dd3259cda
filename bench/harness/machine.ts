import { cpus, loadavg, totalmem } from "node:os";
import { clientVersion } from "./client-tools.ts";
import { VERSION } from "./stage.ts";

export interface Machine {
  /** ISO 8601. */
  readonly at: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Averages over 1, 5 and 15 minutes, the bench's own work included. */
  readonly load: readonly number[];
  readonly node: string;
  readonly server: string;
  /** Null where PostgreSQL's client programs are not installed. */
  readonly clients: string | null;
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    at: new Date().toISOString(),
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    load: loadavg().map((load) => Math.round(load * 10) / 10),
    node: process.version,
    server: `PostgreSQL ${VERSION}`,
    clients: clientVersion(),
  };
}
