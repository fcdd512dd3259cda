import { PghaulError } from "../../../errors/pghaul-error.ts";

/**
 * Fills materialized views, each after those that it reads. The archive's order does not say which those are (a view between two may be made
 * late), nor does a function's body say what it reads; but the server refuses to read a view that is not filled (55000), so it is tried
 * again after the others, as long as that gets further.
 *
 * Throws TARGET_SCHEMA that names every view left, each with the statement and the server's reason.
 */
export async function fillViews(views: readonly string[], fill: (statement: string) => Promise<void>): Promise<void> {
  let left = views;
  for (;;) {
    const failed: { readonly view: string; readonly error: PghaulError }[] = [];
    for (const view of left) {
      try {
        await fill(`refresh materialized view ${view}`);
      } catch (error) {
        if (!(error instanceof PghaulError) || error.code !== "TARGET_SCHEMA") throw error;
        failed.push({ view, error });
      }
    }
    if (failed.length === 0) return;
    if (failed.length === left.length) throw unfilled(failed);
    left = failed.map(({ view }) => view);
  }
}

function unfilled(failed: readonly { readonly view: string; readonly error: PghaulError }[]): PghaulError {
  const reasons = failed.map(({ error }) => error.message).join("; ");
  return new PghaulError("TARGET_SCHEMA", reasons, {
    context: { ...failed[0]?.error.context },
    suggestion: `Fix the cause, at the source too, and run the same command again. It tries: ${failed.map(({ view }) => `refresh materialized view ${view};`).join(" ")}`,
  });
}
