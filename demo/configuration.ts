/** The pghaul.yaml of the demo. Connection strings come from the environment, as they should. */
export function configuration(schema: "move" | "existing"): string {
  return `version: 1
migration: payments
source: { url: "\${SOURCE_URL}" }
target: { kind: postgres, url: "\${TARGET_URL}", schema: ${schema} }
tables: { include: ["public.*"] }
throttle: { workers: 2, chunkBytes: 16MB }
cutover:
  # The payments application reads this document and asks again when a write is refused.
  routing: [{ kind: document, file: route.json }]
  # Two cores carry two servers, the application and pghaul; the default is 250ms, for machines of their own.
  maxStall: 5s
  # A demo has three minutes. The defaults wait for 30s of low lag and 10min without errors.
  gates: { lagHeldFor: 3s, noErrorsFor: 3s, verifiedWithin: 5min }
`;
}
