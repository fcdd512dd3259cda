import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { query, waitFor } from "../database.ts";
import { type PgServer, startServer } from "../pg-server.ts";

/** A physical standby of the bench: a copy of the data directory, made while the source is down for a moment. */
export async function startStandby(source: PgServer, name: string): Promise<PgServer> {
  const standby = await startServer({ version: source.version });
  await standby.stop();
  await source.stop();
  rmSync(standby.dataDir, { recursive: true });
  execFileSync("cp", ["-a", source.dataDir, standby.dataDir]);
  await source.start();
  execFileSync("cp", ["-p", join(standby.dataDir, "pg_hba.conf"), join(standby.dataDir, "standby.signal")]);
  standby.configure({
    port: String(standby.port),
    unix_socket_directories: standby.dataDir,
    primary_conninfo: `host=127.0.0.1 port=${source.port} user=postgres application_name=${name}`,
    wal_receiver_status_interval: "1s",
  });
  await standby.start();
  await waitFor(
    async () =>
      (await query(source.url(), "select from pg_stat_replication where state = 'streaming' and replay_lsn is not null")).length > 0,
    { deadlineMs: 60_000, what: "the standby to stream" },
  );
  return standby;
}
