import { askOf, inOneSnapshot } from "../../side/postgres/catalog/ask.ts";
import { readPublications } from "../../side/postgres/catalog/replication-objects.ts";
import { type Check, type CheckContext, named, pass, statements, type Verdict, warn } from "./check.ts";

/** What the source has beside tables and their rows, and what becomes of it. Subscriptions stand with what acts by itself. */
export const OBJECT_CHECKS: readonly Check[] = [{ id: "publications", run: publications }];

/** Each belongs to a stream of somebody else, who must begin anew at the target: its slot stays at the source. */
async function publications({ source }: CheckContext): Promise<Verdict> {
  const ask = askOf(source.client);
  const found = await inOneSnapshot(ask, () => readPublications(ask));
  if (found.length === 0) return pass("none except pghaul's own");
  return warn(
    `not moved; the cutover waits until the target has them: ${named(found.map(({ name }) => name))}; their subscribers need a slot there`,
    statements(
      found.map(({ statement }) => statement),
      "at the target, after the load and before the cutover",
    ),
  );
}
