import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { shellWord } from "../../model/shell-word.ts";
import type { Table } from "../../model/table.ts";
import { describeDatabase } from "../../side/postgres/facts/database.ts";
import type { ReplicaOptions, SchemaWork, TargetContext, TargetKind, TargetSide } from "../kind.ts";
import { checkDirectory } from "./check-directory.ts";
import { FileReplica } from "./file-replica.ts";
import { FileVersionTarget } from "./file-version-target.ts";
import { type DirectoryOwner, openDirectory } from "./open-directory.ts";
import { restorableFiles } from "./restore/restorable-files.ts";
import { type CopyText, type RowFileKind, writeRows } from "./rows/row-files.ts";
import { openTable } from "./storage/directory.ts";
import { writeDurably } from "./storage/durable.ts";
import { SELECTED } from "./storage/layout.ts";
import { sameShape } from "./storage/record.ts";

/** What the configuration says of such a target. */
export interface FileKeys extends RowFileKind {
  /** Absolute. */
  readonly directory: string;
}

/** Rows and changes as files in a directory: what `pghaul restore` and other programs read. */
export const fileKind: TargetKind<FileKeys> = {
  open(context, keys): TargetSide {
    const { directory, format, compression } = keys;
    const owner = ownerOf(context, keys);
    return {
      capabilities: {
        takes: "versions",
        schema: "described",
        keyOrder: false,
        keeps: { owners: false, privileges: false },
      },
      description: `file://${directory} (${format}, ${compression})`,
      checkedServer: null,
      wayBack: null,
      switching: null,
      teardown: { lines: [`target: the files in ${directory} stay as they are; pghaul restore reads them`], run: async () => undefined },
      reach: () => refuseDirectory(directory, context.migration),
      // The directory is one migration's whole, as its first file says.
      claim: async () => undefined,
      compared: async (tables) => tables,
      identity: async () => ({ cluster: "", facts: { "target directory": directory } }),
      prepare: async () => openDirectory(directory, await owner(), () => undefined),
      openSchema: async ({ tables }) => ({ ...NOTHING_TO_MAKE, prepare: () => writeSelected(directory, tables) }),
      // Nothing of a schema to follow with: the table is loaded anew.
      statementsToFollow: async () => ({
        statements: [],
        remark: "nothing is to be done in the files; pghaul snapshot reload reads the table again",
      }),
      differences: (tables) => differences(directory, tables),
      destinations: [
        {
          name: "target",
          rows: "all",
          openEngine: async ({ crashPoint }) => ({
            takes: "versions",
            target: await FileVersionTarget.open({ directory, owner: await owner(), side: "target", crashPoint }),
          }),
        },
      ],
      replica: (options) => replicaOf(context, directory, options),
      check: () => checkDirectory(directory, context.migration),
      tools: async () => "not needed: no schema is moved to files",
      sampledBy: "the target was measured with a file in this machine's temporary directory, without the changes that are merged into it",
      sampleWrite: (table, rows) => timeWriting(keys, table, rows.copyText()),
    };
  },
  switches: false,
  restorable: restorableFiles,
};

/** As the prechecks find it. */
async function refuseDirectory(directory: string, migration: string): Promise<void> {
  const fault = (await checkDirectory(directory, migration)).find(({ status }) => status === "fail");
  if (fault === undefined) return;
  throw new PghaulError("CONFIG_INVALID", fault.evidence, fault.fix === null ? {} : { suggestion: fault.fix });
}

/** A table is described as its load begins, and complete when it is published. */
const NOTHING_TO_MAKE: SchemaWork = {
  prepare: async () => undefined,
  tableLoaded: async () => undefined,
  finishing: null,
  finish: async () => undefined,
  isFinished: async () => true,
};

/** So that a table whose load has not begun is not taken for one that was never meant. */
function writeSelected(directory: string, tables: readonly Table[]): Promise<void> {
  const selected = tables.map(({ id, schema, name }) => ({ id, schema, name }));
  return writeDurably(directory, SELECTED, selected, () => undefined);
}

/** Asked of the source once: a migration's source is one database for good. */
function ownerOf({ migration, source }: TargetContext, { format, compression }: FileKeys): () => Promise<DirectoryOwner> {
  let known: Promise<DirectoryOwner> | null = null;
  return () => {
    known ??= source
      .session("target files", describeDatabase)
      .then((described) => ({ migration, source: described, format, compression }))
      .catch((error: unknown) => {
        known = null;
        throw error;
      });
    return known;
  };
}

async function differences(directory: string, tables: readonly Table[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of tables) {
    const files = await openTable(directory, table.id);
    if (files === null || files.reads.length === 0 || sameShape(files.table, table)) continue;
    found.push(
      `the files of ${table.id} have other columns, or another key, so it has to be read again: pghaul snapshot reload --table ${shellWord(table.id)}`,
    );
  }
  return found;
}

function replicaOf({ stateDirectory }: TargetContext, directory: string, { startWait }: ReplicaOptions): FileReplica {
  return new FileReplica({ startWait, directory, scratch: join(stateDirectory, "verify") });
}

/** Milliseconds for a sample of rows, written somewhere else and taken away again. */
async function timeWriting(kind: RowFileKind, table: Table, copyText: CopyText): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), "pghaul-sample-"));
  try {
    const began = performance.now();
    await writeRows(join(scratch, "sample"), { table, copyText }, kind);
    return performance.now() - began;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
