import { createHash } from "node:crypto";
import { canonicalJson } from "../../model/canonical-json.ts";
import type { SideName } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import { describeConnection } from "../../postgres/connect.ts";
import { fingerprintTables } from "../../source/catalog.ts";
import type { Migration } from "../open-migration.ts";

/** Digits that an operator compares and pastes. */
const DIGITS = 16;

/**
 * What was reviewed: the same as long as nothing changed that the switch depends on. Tables as the source has them now, so that an ALTER
 * TABLE or a new partition makes it another plan.
 */
export function cutoverDigest(migration: Migration, to: SideName, tables: readonly Table[], steps: readonly string[]): string {
  const { routing, ...settings } = migration.config.cutover;
  const reviewed = {
    migration: migration.name,
    to,
    source: describeConnection(migration.source.spec),
    target: migration.target.description,
    tables: fingerprintTables(tables),
    steps,
    routing,
    settings,
  };
  return createHash("sha256").update(canonicalJson(reviewed)).digest("hex").slice(0, DIGITS);
}
