import type { FirstOf, ObjectDifferences, ObjectsAsked } from "../../../conditions/between-facts.ts";
import type { Ask } from "../catalog/ask.ts";
import { differingObjects, missingObjects, objectTitle } from "../catalog/compare-objects.ts";
import { type CatalogObject, readObjects } from "../catalog/object-queries.ts";
import { statementsAlike, statementsOf } from "../catalog/object-statements.ts";

/** Objects of `from` that `to` lacks or has otherwise, each with the statement that `from` prints for it. */
export async function readObjectDifferences(from: Ask, to: Ask, { named, ...scope }: ObjectsAsked): Promise<ObjectDifferences> {
  const [here, there] = [await readObjects(from), await readObjects(to)];
  const first = async (
    found: readonly CatalogObject[],
    read: (ask: Ask, objects: readonly CatalogObject[]) => Promise<readonly (string | null)[]>,
  ): Promise<FirstOf> => {
    const objects = found.slice(0, named);
    const statements = await read(from, objects);
    return {
      count: found.length,
      first: objects.map((object, index) => ({ title: objectTitle(object), statement: statements[index] ?? null })),
    };
  };
  return {
    compared: here.length,
    missing: await first(missingObjects(here, there, scope), statementsOf),
    differing: await first(differingObjects(here, there, scope), statementsAlike),
  };
}
