import { missingObjects, objectTitle } from "../../../side/postgres/catalog/compare-objects.ts";
import { readObjects } from "../../../side/postgres/catalog/object-queries.ts";
import { statementsOf } from "../../../side/postgres/catalog/object-statements.ts";
import type { Gate } from "../../gate.ts";

const SHOWN = 20;

/**
 * Whatever the old primary has beside rows exists at the new one: also what was made after the schema was copied, for no stream carries it, and
 * what is never copied, as publications. It compares names; what stands in a function is its maker's business.
 */
export const objectsGate: Gate = {
  id: "objects",
  title: "the target has every view, function, trigger, constraint and other object of the source",
  forwardOnly: true,
  async ask({ from, to, tables, limits }) {
    const here = await readObjects(from.query);
    const missing = missingObjects(here, await readObjects(to.query), { tables, notNeeded: limits.notNeeded });
    const shown = missing.slice(0, SHOWN);
    return {
      open: missing.length === 0,
      evidence: { objects: here.length, missing: missing.length, ...(missing.length === 0 ? {} : { first: shown.map(objectTitle) }) },
      ...(missing.length === 0 ? {} : { fix: fixFor(await statementsOf(from.query, shown), shown.map(objectTitle)) }),
    };
  },
};

/** pg_dump knows what the catalog's functions do not print. */
function fixFor(statements: readonly (string | null)[], titles: readonly string[]): string {
  const others = titles.filter((_, index) => statements[index] === null);
  return [
    ...statements.flatMap((statement) => (statement === null ? [] : [`${statement};`])),
    ...(others.length === 0 ? [] : [`-- as pg_dump --schema-only of the source has it: ${others.join(", ")}`]),
    "-- at the target; what is not wanted there: cutover.gates.notNeeded",
  ].join("\n");
}
