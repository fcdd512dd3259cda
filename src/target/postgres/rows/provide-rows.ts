import type { TargetSession } from "../target-session.ts";
import { literalSource, type RowSource, type SourceRow, stagedSource } from "./row-source.ts";
import type { TargetTable } from "./target-table.ts";

export interface ProvidedRows {
  readonly source: RowSource;
  /** To be run behind the statements that use the rows: empties the stage, where there is one. */
  readonly after: readonly string[];
}

/** Brings rows to where a statement can use them, through the stage only when they are too many or too large to be written out. */
export async function provideRows(session: TargetSession, target: TargetTable, rows: readonly SourceRow[]): Promise<ProvidedRows> {
  const literals = literalSource(target, rows);
  return literals === null ? stageRows(session, target, rows) : { source: literals, after: [] };
}

export async function stageRows(session: TargetSession, target: TargetTable, rows: readonly SourceRow[]): Promise<ProvidedRows> {
  const stage = await session.guarded({ table: target.table.id }, () => session.stages.fill(target, rows));
  return { source: stagedSource(stage), after: [session.stages.emptySql(stage)] };
}
