import { nearestName } from "../../errors/nearest.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { Table } from "../../model/table.ts";
import type { Catalog } from "../catalog.ts";

/** Settings of single tables, by `schema.name`, as far as they depend on what the table is. */
export type TableOverrides = Readonly<Record<string, { readonly strategy?: "auto" | "key" | "whole" | undefined }>>;

/** Overrides that nothing would come of, a sentence each. A table without an identity stops the run by itself, with better advice. */
export function overrideFaults(overrides: TableOverrides, { tables, leftOut }: Pick<Catalog, "tables" | "leftOut">): readonly string[] {
  const byId = new Map(tables.map((table) => [table.id, table]));
  const outside = new Map(leftOut.map((one) => [one.id, one]));
  return Object.entries(overrides).flatMap(([id, { strategy }]) => {
    const table = byId.get(id);
    const out = outside.get(id);
    if (out !== undefined) return out.reason === "no-identity" ? [] : [`tables.overrides.${id}: it is not moved; ${out.detail}`];
    if (table === undefined) return [`tables.overrides.${id} does not name a table that is moved${didYouMean(id, tables)}`];
    if (strategy !== "key" || table.key !== null) return [];
    return [`tables.overrides.${id}.strategy is key, but the table has no key: give it a primary key, or set auto`];
  });
}

/** Throws CONFIG_INVALID with all of them. */
export function refuseOverrides(overrides: TableOverrides, catalog: Pick<Catalog, "tables" | "leftOut">): void {
  const faults = overrideFaults(overrides, catalog);
  if (faults.length > 0) throw new PghaulError("CONFIG_INVALID", faults.join("\n"));
}

function didYouMean(id: string, tables: readonly Table[]): string {
  const near = nearestName(
    id,
    tables.map((table) => table.id),
  );
  return near === null ? "" : `; did you mean ${near}?`;
}
