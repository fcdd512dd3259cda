import { rmSync } from "node:fs";
import type { VersionTarget } from "../../src/engine/ports/version-target.ts";
import type { ChunkRows } from "../../src/engine/ports.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import type { Table } from "../../src/model/table.ts";
import type { Row } from "../../src/model/value.ts";
import { parseCopyLine } from "../../src/postgres/copy-text.ts";
import { FileArchive } from "../../src/target/file/archive/file-archive.ts";
import { TableImage } from "../../src/target/file/image/table-image.ts";
import type { DirectoryOwner } from "../../src/target/file/open-directory.ts";
import { CopyRows, OWNER, openTarget, TemporaryDirectory } from "../target/file/bench.ts";
import { type VersionStore, versionTargetContract } from "./version-target.ts";

class FileStore implements VersionStore {
  readonly takesAnyBytes: boolean;
  readonly #owner: DirectoryOwner;
  readonly #directory = new TemporaryDirectory();

  constructor(form: Pick<DirectoryOwner, "format" | "compression">) {
    this.#owner = { ...OWNER, ...form };
    this.takesAnyBytes = form.format !== "parquet";
  }

  open(): Promise<VersionTarget> {
    return openTarget(this.#directory.path, { owner: this.#owner });
  }

  async rowsAt(table: Table, position: Lsn): Promise<readonly Row[]> {
    const archive = await FileArchive.open(this.#directory.path);
    const files = await archive.table(table.id);
    if (files === null) return [];
    const signal = new AbortController().signal;
    const image = await TableImage.make({ archive, files, position, signal, scratch: this.#directory.path, partitionBytes: 20_000 });
    const rows: Row[] = [];
    for (let partition = 0; partition < image.partitions; partition += 1) {
      for await (const { text } of image.copyText(partition)) {
        rows.push(...text.toString("latin1").split("\n").slice(0, -1).map(parseCopyLine));
      }
    }
    await image.close();
    return rows;
  }

  rows(...rows: Row[]): ChunkRows {
    return CopyRows.of(...rows);
  }

  async *copyText(...rows: Row[]): AsyncIterable<Uint8Array> {
    yield* CopyRows.of(...rows).copyText();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#directory.path, { recursive: true, force: true });
  }
}

for (const form of [
  { format: "copy", compression: "none" },
  { format: "csv", compression: "gzip" },
  { format: "parquet", compression: "zstd" },
] as const) {
  versionTargetContract(`a directory of ${form.format}`, async () => new FileStore(form));
}
