import { differingObjects, missingObjects, objectTitle } from "../../../side/postgres/catalog/compare-objects.ts";
import { readObjects } from "../../../side/postgres/catalog/object-queries.ts";
import { statementsAlike, statementsOf } from "../../../side/postgres/catalog/object-statements.ts";
import type { Gate } from "../../gate.ts";

const SHOWN = 20;

/**
 * Whatever the old primary has beside rows exists at the new one and does the same there: also what was made after the schema was copied, for no
 * stream carries it, and what is never copied, as publications.
 */
export const objectsGate: Gate = {
  id: "objects",
  title: "the target has every view, function, trigger, constraint and other object of the source, and they do the same",
  forwardOnly: true,
  async ask({ from, to, tables, limits }) {
    const [here, there] = [await readObjects(from.query), await readObjects(to.query)];
    const scope = { tables, notNeeded: limits.notNeeded };
    const [missing, differing] = [missingObjects(here, there, scope), differingObjects(here, there, scope)];
    const [lacking, unlike] = [missing.slice(0, SHOWN), differing.slice(0, SHOWN)];
    const open = missing.length + differing.length === 0;
    return {
      open,
      evidence: {
        objects: here.length,
        missing: missing.length,
        ...(missing.length === 0 ? {} : { first: lacking.map(objectTitle) }),
        differing: differing.length,
        ...(differing.length === 0 ? {} : { firstDiffering: unlike.map(objectTitle) }),
      },
      ...(open
        ? {}
        : {
            fix: fixFor(
              [...(await statementsOf(from.query, lacking)), ...(await statementsAlike(from.query, unlike))],
              [...lacking, ...unlike].map(objectTitle),
            ),
          }),
    };
  },
};

/** pg_dump knows what the catalog's functions do not print. */
function fixFor(statements: readonly (string | null)[], titles: readonly string[]): string {
  const others = titles.filter((_, index) => statements[index] === null);
  return [
    ...statements.flatMap((statement) => (statement === null ? [] : [`${statement};`])),
    ...(others.length === 0 ? [] : [`-- as pg_dump --schema-only of the source has it: ${others.join(", ")}`]),
    "-- at the target; what is not wanted there, or need not be alike: cutover.gates.notNeeded",
  ].join("\n");
}
