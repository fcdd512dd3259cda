import { reloadVersions } from "../../../src/engine/versions/reload-versions.ts";
import { VersionLoading } from "../../../src/engine/versions/version-loading.ts";
import { type VersionPorts, VersionStream } from "../../../src/engine/versions/version-stream.ts";
import type { Table } from "../../../src/model/table.ts";
import type { OpenEngine } from "../process.ts";
import type { DurableStore } from "../store.ts";

/** The version way: the stream carries all tables from the start, and a loaded table is published. */
export async function openVersions(
  ports: VersionPorts,
  tables: readonly Table[],
  store: DurableStore,
  signal: AbortSignal,
): Promise<OpenEngine> {
  for (const table of tables.filter(({ id }) => store.reloads.has(id))) await reloadVersions(ports, table);
  const known = await ports.target.progress();
  const stream = new VersionStream(ports, new Map(tables.map((table) => [table.id, table])), known);
  return {
    stream,
    loading: new VersionLoading(ports, stream, known),
    loaded: async () => {},
    makeDurable: () => stream.settle(signal),
  };
}
