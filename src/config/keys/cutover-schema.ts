import { z } from "zod";
import { byteSize, duration } from "./quantities.ts";

const text = () => z.string().min(1);

const routing = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("hook").describe("Your own executable, which changes the route."),
      command: z
        .array(z.string())
        .min(1)
        .describe("Program and arguments, run without a shell; a JSON object on its standard input says what to do."),
      timeout: duration().prefault("10s").describe("After this the hook is killed and counts as failed."),
    }),
    z.strictObject({
      kind: z.literal("document").describe("A JSON routing document that applications read."),
      file: text().describe("File that holds the document; replaced as a whole, by rename."),
    }),
    z.strictObject({
      kind: z.literal("pgbouncer").describe("A PgBouncer in transaction pooling mode."),
      admin: text().describe('Connection string of its admin console, e.g. "${PGB_ADMIN}".'),
      config: text().describe("The file with its [databases] section."),
    }),
    z.strictObject({
      kind: z.literal("haproxy").describe("An HAProxy in TCP mode."),
      socket: text().describe("Its runtime API socket."),
      backend: text().describe("The backend whose servers are switched."),
    }),
    z.strictObject({
      kind: z.literal("envoy").describe("An Envoy fed from files."),
      admin: text().describe("URL of its admin interface."),
      config: text().describe("The endpoint file that it watches."),
    }),
  ])
  .describe("One place where traffic is routed.");

const gates = z
  .strictObject({
    maxLagBytes: byteSize().prefault("16MB").describe("How far the target may be behind when the switch begins."),
    maxLagSeconds: z.number().positive().default(5).describe("The same, in seconds."),
    lagHeldFor: duration().prefault("30s").describe("How long the lag must have stayed below both limits."),
    noErrorsFor: duration().prefault("10min").describe("How long nothing may have failed or been retried."),
    maxTransactionAge: duration()
      .prefault("5s")
      .describe("Age of the oldest transaction allowed at the source when the switch begins: the fence waits for all of them."),
    verifiedWithin: duration().prefault("24h").describe("How old the last verification that found no difference may be."),
    notNeeded: z
      .array(z.string().regex(/^\S+ .+$/, { error: 'must be KIND NAME, where * stands for any text, e.g. "publication old_feed"' }))
      .default([])
      .describe(
        "Objects that the target may lack, or have in another form, as KIND NAME from the gates objects and privileges; * stands for any text.",
      ),
  })
  .prefault({})
  .describe("What must hold before the switch; each gate shows its evidence.");

const deadlines = z
  .strictObject({
    pause: duration().optional().describe("Until the routers hold new transactions."),
    fence: duration().optional().describe("Until the locks end writes at the source."),
    drain: duration().optional().describe("Until the target has reached the marker."),
    sequences: duration().optional().describe("Until the sequences are set at the target."),
    route: duration().optional().describe("Until the routers point at the target."),
    resume: duration().optional().describe("Until the routers let transactions go on."),
  })
  .prefault({})
  .describe(
    "Deadline of each step of the switch; a miss before the point of no return undoes everything. Without one, a step may take what is left of maxStall.",
  );

export const cutoverSchema = z
  .strictObject({
    reads: z
      .array(z.int().min(1).max(100))
      .refine((steps) => steps.every((step, index) => index === 0 || step > (steps[index - 1] ?? 0)), {
        error: "must rise from entry to entry",
      })
      .optional()
      .describe("Percentages of reads to send to the target, one stage after another."),
    soak: duration().optional().describe("How long each stage of reads lasts at least."),
    maxStall: duration().prefault("250ms").describe("Longest time that writes may stop during the switch."),
    sequenceMargin: z
      .int()
      .nonnegative()
      .default(1000)
      .describe("How many steps each sequence is set ahead at the switch, so that a value that was given out late does not come twice."),
    deadlines,
    routing: z.array(routing).default([]).describe("Where traffic is routed, in the order of switching."),
    gates,
  })
  .prefault({})
  .describe("How traffic is switched.");
