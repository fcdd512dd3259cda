/** How conditions write down many things. */

const NAMED = 5;

/** The first few names, and how many more there are. */
export function named(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Statements to paste, one a line, each with the remark behind it; null for none. */
export function statements(lines: readonly string[], remark?: string): string | null {
  const end = remark === undefined ? ";" : `;   -- ${remark}`;
  return lines.length === 0 ? null : lines.map((line) => `${line}${end}`).join("\n");
}
