import { tmpdir } from "node:os";
import { Flags } from "@oclif/core";
import { PghaulCommand } from "../cli/base-command.ts";
import { renderTable } from "../cli/table.ts";
import { type RestoreResult, runRestore } from "../workflow/restore/run-restore.ts";

export default class Restore extends PghaulCommand<RestoreResult> {
  static override summary = "Restore the tables of a file target into a PostgreSQL database, as they were at one position.";
  static override description =
    `Reads the directory of a migration with "target: { kind: file }", also while the migration still writes to it. The tables must exist in the database
and be empty: create them with the output of pg_dump --schema-only --exclude-schema=pghaul from the source. Checks every file against its SHA-256, and at
the end compares the digest of each table in the database with that of the files. Safe to kill and start again: it continues where it was. It does not
set sequences.`;
  static override examples = [
    '<%= config.bin %> <%= command.id %> --from /srv/payments --to "postgres://loader@db2/payments"',
    '<%= config.bin %> <%= command.id %> --from /srv/payments --to "service=db2" --at 16/B374D848 --table "billing.*"',
  ];
  static override exitKinds = ["target", "try-later"] as const;
  static override flags = {
    from: Flags.directory({ required: true, exists: true, description: "Directory of the file target." }),
    to: Flags.string({
      required: true,
      description:
        "Connection string of the database, as psql takes it, without a password. Put the password into PGPASSWORD or ~/.pgpass.",
    }),
    at: Flags.string({ description: "LSN at which to restore the tables. By default the newest that the files reach." }),
    scratch: Flags.string({
      default: async () => tmpdir(),
      description: "Directory for temporary files. They take about twice the text of the largest table.",
    }),
    table: Flags.string({ multiple: true, description: "Table or pattern to restore. By default all." }),
  };

  override async run(): Promise<RestoreResult> {
    const { flags } = await this.parse(Restore);
    this.showProgress(flags);
    const { finish } = this.stopSignal();
    const result = await runRestore({
      from: flags.from,
      to: flags.to,
      at: flags.at ?? null,
      only: flags.table ?? null,
      scratch: flags.scratch,
      bus: this.progress,
      signal: finish,
    });
    this.print(
      renderTable(
        [{ title: "table" }, { title: "rows", align: "right" }],
        result.tables.map(({ table, rows }) => [table, rows]),
      ),
    );
    this.print(
      `restored at ${result.lsn}; the digests of files and database are equal. Sequences were not changed: set them before anybody writes.`,
    );
    return result;
  }
}
