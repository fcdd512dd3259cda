import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { TargetKeys } from "./target-keys.ts";

/** A path of this machine, absolute. Null for what is none: another scheme, another host. */
function directoryOf(url: string): string | null {
  try {
    return fileURLToPath(url);
  } catch {
    return null;
  }
}

const schema = z.strictObject({
  kind: z.literal("file").describe("Chunks and changes as files in a directory on this machine."),
  url: z
    .string()
    .refine((url) => directoryOf(url) !== null, {
      error: 'must be "file:///" and an absolute path; this version does not support buckets yet',
    })
    .describe('The directory, as "file:///absolute/path". pghaul creates it; if it exists, it must be empty or belong to this migration.')
    .meta({ examples: ["file:///srv/payments"] }),
  format: z
    .enum(["copy", "csv", "parquet"])
    .default("csv")
    .describe(
      "Format of the files with rows. copy: PostgreSQL's COPY text, as it was read. csv: with a header, as COPY reads it. parquet: for DuckDB, Spark and others.",
    ),
  compression: z
    .enum(["none", "gzip", "zstd"])
    .default("zstd")
    .describe("Compression of all files with rows or changes; Parquet files are compressed internally."),
});

interface FileTarget {
  readonly kind: "file";
  /** Absolute. */
  readonly directory: string;
  readonly format: "copy" | "csv" | "parquet";
  readonly compression: "none" | "gzip" | "zstd";
}

export const fileKeys = {
  schema,
  resolve: ({ kind, url, format, compression }): FileTarget => ({ kind, directory: directoryOf(url) ?? "", format, compression }),
  reviewed: (target: FileTarget): object => target,
} satisfies TargetKeys<z.output<typeof schema>, FileTarget>;
