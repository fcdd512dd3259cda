import type { Difference } from "../../conditions/between-facts.ts";
import type { Gate } from "../gate.ts";

/** Enough to paste; the rest shows when these are done. */
const SHOWN = 20;

/**
 * Whatever the old primary has beside rows exists at the new one and does the same there: also what was made after the schema was copied, for no
 * stream carries it, and what is never copied, as publications.
 */
export const objectsGate: Gate = {
  id: "objects",
  title: "the target has every view, function, trigger, constraint and other object of the source, and they do the same",
  when: ["switch"],
  side: "both",
  async ask({ between, tables, limits }) {
    const { compared, missing, differing } = await between.objects({ tables, notNeeded: limits.notNeeded, named: SHOWN });
    const open = missing.count + differing.count === 0;
    return {
      verdict: open ? "pass" : "fail",
      evidence: {
        objects: compared,
        missing: missing.count,
        ...(missing.count === 0 ? {} : { first: titles(missing.first) }),
        differing: differing.count,
        ...(differing.count === 0 ? {} : { firstDiffering: titles(differing.first) }),
      },
      advice: open ? null : fixFor([...missing.first, ...differing.first]),
    };
  },
};

function titles(differences: readonly Difference[]): readonly string[] {
  return differences.map(({ title }) => title);
}

/** pg_dump knows what the catalog's functions do not print. */
function fixFor(differences: readonly Difference[]): string {
  const others = titles(differences.filter(({ statement }) => statement === null));
  return [
    ...differences.flatMap(({ statement }) => (statement === null ? [] : [`${statement};`])),
    ...(others.length === 0 ? [] : [`-- as pg_dump --schema-only of the source has it: ${others.join(", ")}`]),
    "-- at the target; if you do not want an object there, or it may differ, name it in cutover.gates.notNeeded",
  ].join("\n");
}
