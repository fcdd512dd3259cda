import { z } from "zod";
import { parseBusinessHours } from "./keys/business-hours.ts";
import { sourceSchema } from "./keys/connection-keys.ts";
import { cutoverSchema } from "./keys/cutover-schema.ts";
import { byteSize, duration } from "./keys/quantities.ts";
import { targetSchema } from "./targets/targets.ts";

const tablePattern = () => z.string().regex(/^[^.]+\..+$/, { error: 'must be SCHEMA.TABLE, where * stands for any text, e.g. "public.*"' });

const tablesSchema = z
  .strictObject({
    include: z
      .array(tablePattern())
      .min(1)
      .default(["*.*"])
      .describe("Tables to move, as SCHEMA.TABLE; * stands for any text. System schemas are never meant."),
    exclude: z.array(tablePattern()).default([]).describe("Tables to leave out of those."),
    overrides: z
      .record(
        z.string(),
        z.strictObject({
          strategy: z
            .enum(["auto", "key", "whole"])
            .optional()
            .describe(
              "key: chunks along the key, and a table without one is refused. whole: one read in one snapshot. auto: key where there is one.",
            ),
          chunkBytes: byteSize().optional().describe("Largest chunk of this table, instead of throttle.chunkBytes."),
        }),
      )
      .default({})
      .describe("Settings of single tables, by SCHEMA.TABLE."),
  })
  .prefault({})
  .describe("What is moved.");

const stateSchema = z
  .strictObject({
    dir: z
      .string()
      .min(1)
      .default(".pghaul")
      .describe("Directory for state and change log; relative to this file. It must be on a disk of this machine."),
    s3: z
      .string()
      .regex(/^s3:\/\/[^/]+/, { error: 'must be "s3://BUCKET/PREFIX"' })
      .optional()
      .describe(
        "Bucket and prefix for a copy of state and change log; the migration's name is added to the prefix. See docs/guides/state-in-s3.md.",
      ),
    endpoint: z.string().min(1).optional().describe("Endpoint of an S3 that is not Amazon's, as a URL."),
    region: z.string().min(1).optional().describe("Region of the bucket; without it, that of the environment or the AWS profile."),
    pathStyle: z
      .boolean()
      .optional()
      .describe("Addresses the bucket by path instead of by host name; without it, only where an endpoint is set."),
    kmsKey: z
      .string()
      .min(1)
      .optional()
      .describe("Key of AWS KMS that objects are encrypted with (SSE-KMS), instead of the bucket's default."),
  })
  .prefault({})
  .describe("Where progress is kept.");

const throttleSchema = z
  .strictObject({
    workers: z.int().min(1).max(64).default(4).describe("Chunks read at once."),
    chunkSeconds: z
      .number()
      .min(0.1)
      .max(3600)
      .default(3)
      .describe("A chunk's read aims at this many seconds; no snapshot at the source lives much longer."),
    chunkBytes: byteSize().prefault("16MB").describe("Largest chunk; bounds memory too."),
    maxReplicaLagSeconds: z
      .number()
      .positive()
      .default(10)
      .describe("The load starts no read while a physical standby of the source is further behind in its replay."),
    maxSlotBytes: byteSize().prefault("50GB").describe("The load starts no read while our slot holds back more WAL at the source."),
    businessHours: z
      .string()
      .transform((text, context) => {
        const hours = parseBusinessHours(text);
        if (hours !== null) return hours;
        context.addIssue({ code: "custom", message: 'must be days, hours and a time zone, such as "Mon-Fri 08:00-20:00 Europe/Berlin"' });
        return z.NEVER;
      })
      .optional()
      .describe('The load starts no read then, e.g. "Mon-Fri 08:00-20:00 Europe/Berlin"; changes are streamed all the time.'),
  })
  .prefault({})
  .describe("How hard the source may be read.");

const logSchema = z
  .strictObject({
    segmentBytes: byteSize().prefault("64MB").describe("A segment of the change log is sealed at this size."),
    retain: duration().prefault("0s").describe("How long segments are kept after nothing needs them."),
  })
  .prefault({})
  .describe("The durable change log.");

const verifySchema = z
  .strictObject({
    maxWait: duration()
      .prefault("10min")
      .describe("For the stream to come to where the primary was when a comparison began; then it ends without a verdict."),
  })
  .prefault({})
  .describe("The comparison of both sides.");

/** The migration's name becomes part of slot and publication names, which allow only these characters (manual: replication slot names). */
const migrationName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, {
    error: "must start with a lower-case letter and have only lower-case letters, digits, - and _, 40 at most",
  })
  .describe("The migration's name, which confirmations ask for.");

/** `pghaul.yaml`. Every key has a description; unknown keys are errors. Generates the JSON Schema and the docs. */
export const configSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this file's form."),
    migration: migrationName,
    source: sourceSchema,
    target: targetSchema,
    tables: tablesSchema,
    state: stateSchema,
    throttle: throttleSchema,
    log: logSchema,
    verify: verifySchema,
    columns: z
      .record(
        z.string(),
        z.strictObject({
          tokenize: z
            .strictObject({ key: z.string().min(1).describe("The key, by reference.") })
            .describe("Replaced by a token that is the same for the same value."),
        }),
      )
      .default({})
      .describe("Columns whose values change on the way, by SCHEMA.TABLE.COLUMN."),
    cutover: cutoverSchema,
  })
  .describe("Configuration of one migration.");

/** The file's content, valid but unresolved: references to files unread, and kinds among it that this version cannot do. */
export type ParsedConfig = z.output<typeof configSchema>;

/** JSON Schema of the file for editors: draft-07, because the YAML language server reads no later one. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { target: "draft-07", io: "input" });
}
