import type { EnginePorts } from "../../src/engine/ports.ts";
import { reloadTable } from "../../src/engine/rows/reload-table.ts";
import { RowLoading } from "../../src/engine/rows/row-loading.ts";
import { StreamApply } from "../../src/engine/rows/stream-apply.ts";
import type { Table } from "../../src/model/table.ts";
import type { OpenEngine } from "./process.ts";
import type { DurableStore } from "./store.ts";

export interface OpenRowsOptions {
  readonly ports: EnginePorts;
  readonly tables: readonly Table[];
  readonly store: DurableStore;
  /** As the target's own `makeDurable`. */
  readonly makeDurable: () => Promise<void>;
  /** How long the indexes of a loaded table take. */
  readonly indexMillis: () => number;
}

/** The row way: each table joins the stream when it is loaded. */
export async function openRows(
  { ports, tables, store, makeDurable, indexMillis }: OpenRowsOptions,
  signal: AbortSignal,
): Promise<OpenEngine> {
  const asked = tables.filter(({ id }) => store.reloads.has(id));
  if (asked.length > 0) await ports.target.progress();
  for (const table of asked) await reloadTable(ports, table);
  const known = await ports.target.progress();
  const stream = new StreamApply(ports, new Map(tables.map((table) => [table.id, table])), known);
  return {
    stream,
    loading: new RowLoading(ports, known),
    loaded: async (table, progress) => {
      await ports.clock.sleep(indexMillis(), signal);
      await stream.join(table, progress);
    },
    makeDurable,
  };
}
