import type { StreamName } from "../../model/side.ts";
import type { Destination, Downstream, TargetSide } from "../../target/kind.ts";

/** What a stream writes to: the target, or, on the way back, the source. */
export function downstream(target: TargetSide, stream: StreamName): Downstream {
  if (stream === "forward") return target;
  if (target.wayBack === null) throw new Error("stream: the target has no way back");
  return target.wayBack;
}

/** Of a target that is one database: a load that is to be split between several reads each chunk once, and no kind has that yet. */
export function onlyDestination({ destinations }: Downstream): Destination {
  const [only, ...more] = destinations;
  if (only === undefined || more.length > 0) throw new Error(`stream: ${destinations.length} destinations, and not one`);
  return only;
}
