import type { StreamName } from "../../model/side.ts";
import type { Downstream, TargetSide } from "../../target/kind.ts";

/** What a stream writes to: the target, or, on the way back, the source. */
export function downstream(target: TargetSide, stream: StreamName): Downstream {
  if (stream === "forward") return target;
  if (target.wayBack === null) throw new Error("stream: the target has no way back");
  return target.wayBack;
}
