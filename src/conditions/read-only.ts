import type { ReadOnlyDefault, ServerFacts } from "./server-facts.ts";

type Asked = Pick<ServerFacts, "readOnlyDefaults">;

/** What would keep applications from writing at the new primary. A role that only reads at the old one may go on so. */
export async function readOnlyInTheWay(from: Asked, to: Asked): Promise<readonly ReadOnlyDefault[]> {
  const known = new Set((await from.readOnlyDefaults()).map(({ what }) => what));
  return (await to.readOnlyDefaults()).filter(({ what, everybody }) => everybody || !known.has(what));
}

/** A line each. The first statement lets the others write: the session that runs them may be read-only itself. */
export function readOnlyAdvice(inTheWay: readonly ReadOnlyDefault[]): readonly string[] {
  const statements = inTheWay.flatMap((one) => one.statements);
  if (statements.length === 0) return ["start the server without default_transaction_read_only=on on its command line"];
  return ["set default_transaction_read_only = off", ...statements].map((statement) => `${statement};`);
}
