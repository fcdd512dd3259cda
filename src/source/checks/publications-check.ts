import { type Answer, pass, warn } from "../../conditions/condition.ts";
import { named, statements } from "../../conditions/listing.ts";
import { type Check, type CheckContext, check } from "./check.ts";

/** A publication belongs to a stream of somebody else, who must begin anew at the target: its slot stays at the source. */
export const publicationsCheck: Check = check("publications", "source", "nobody else publishes from the source", publications);

async function publications({ source }: CheckContext): Promise<Answer> {
  const found = await source.publications();
  if (found.length === 0) return pass("none except pghaul's own");
  return warn(
    `not moved; the cutover waits until the target has them: ${named(found.map(({ name }) => name))}; their subscribers need a slot there`,
    statements(
      found.map(({ statement }) => statement),
      "at the target, after the load and before the cutover",
    ),
  );
}
