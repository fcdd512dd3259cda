/**
 * The two ends of a migration, and what each is in a stream. A *side* never changes: the source stays the source when the target has become
 * the primary. A *role* belongs to one stream: the forward stream's upstream is the source, the way back's upstream is the target. Errors
 * take their name and exit code from the side, never from the role.
 */
import type { ErrorCode } from "../errors/codes.ts";

export type SideName = "source" | "target";

/** `forward`: source to target. `reverse`: target to source, the way back. */
export type StreamName = "forward" | "reverse";

export function otherSide(side: SideName): SideName {
  return side === "source" ? "target" : "source";
}

/** The side that a stream reads. */
export function upstreamOf(stream: StreamName): SideName {
  return stream === "forward" ? "source" : "target";
}

/** The side that a stream writes. */
export function downstreamOf(stream: StreamName): SideName {
  return otherSide(upstreamOf(stream));
}

/** The stream that carries changes out of a side. */
export function streamOutOf(side: SideName): StreamName {
  return side === "source" ? "forward" : "reverse";
}

/** What can go wrong at either side, apart from which it is. */
export type SideFault = "UNREACHABLE" | "AUTH" | "PRIVILEGE" | "LOST" | "QUERY" | "WAL_LEVEL" | "DRIFT" | "SCHEMA";

/** The code of a fault at a side. */
export function sideCode(side: SideName, fault: SideFault): ErrorCode {
  return side === "source" ? `SOURCE_${fault}` : `TARGET_${fault}`;
}
