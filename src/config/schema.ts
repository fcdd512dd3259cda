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
      .describe("Tables to move, as SCHEMA.TABLE; * stands for any text. System schemas are never moved."),
    exclude: z.array(tablePattern()).default([]).describe("Tables to leave out, of those that include matches."),
    overrides: z
      .record(
        z.string(),
        z.strictObject({
          strategy: z
            .enum(["auto", "key", "whole"])
            .optional()
            .describe(
              "key: chunks along the key; a table without a key is refused. whole: one read in one snapshot. auto: key if the table has one.",
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
      .describe("Directory for state and change log, relative to this file. It must be on a local disk."),
    s3: z
      .string()
      .regex(/^s3:\/\/[^/]+/, { error: 'must be "s3://BUCKET/PREFIX"' })
      .optional()
      .describe("Bucket and prefix for a copy of state and change log."),
    endpoint: z.string().min(1).optional().describe("Endpoint of an S3 service other than Amazon's."),
    region: z.string().min(1).optional().describe("Region of the bucket."),
    pathStyle: z.boolean().optional().describe("Addresses the bucket by path instead of by host name."),
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
      .describe("A chunk's read ends after about this many seconds; no snapshot at the source lives much longer."),
    chunkBytes: byteSize().prefault("16MB").describe("Largest chunk; bounds memory too."),
    maxReplicaLagSeconds: z
      .number()
      .positive()
      .default(10)
      .describe("The load starts no read while replay on a physical standby of the source lags more than this."),
    maxSlotBytes: byteSize()
      .prefault("50GB")
      .describe("The load starts no read while pghaul's slot holds back more WAL than this at the source."),
    businessHours: z
      .string()
      .transform((text, context) => {
        const hours = parseBusinessHours(text);
        if (hours !== null) return hours;
        context.addIssue({ code: "custom", message: 'must be days, hours and a time zone, such as "Mon-Fri 08:00-20:00 Europe/Berlin"' });
        return z.NEVER;
      })
      .optional()
      .describe('Hours in which the load starts no read, e.g. "Mon-Fri 08:00-20:00 Europe/Berlin"; changes are streamed all the time.'),
  })
  .prefault({})
  .describe("How hard the source may be read.");

const logSchema = z
  .strictObject({
    segmentBytes: byteSize().prefault("64MB").describe("Size at which a segment of the change log is sealed."),
    retain: duration().prefault("0s").describe("How long to keep segments that are no longer needed."),
  })
  .prefault({})
  .describe("The durable change log.");

const verifySchema = z
  .strictObject({
    maxWait: duration()
      .prefault("10min")
      .describe(
        "How long to wait for the stream to reach the primary's position at the start of a comparison; after that, it ends without a verdict.",
      ),
  })
  .prefault({})
  .describe("The comparison of both sides.");

/** The migration's name becomes part of slot and publication names, which allow only these characters (manual: replication slot names). */
const migrationName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, {
    error: "must start with a lower-case letter and contain only lower-case letters, digits, - and _, at most 40 in all",
  })
  .describe("The migration's name. Confirmations ask for it.");

/** `pghaul.yaml`. Every key has a description; unknown keys are errors. Generates the JSON Schema and the docs. */
export const configSchema = z
  .strictObject({
    version: z.literal(1).describe("Version of this file's format."),
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
            .describe("Replaces values by tokens; equal values get equal tokens."),
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
