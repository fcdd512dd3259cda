const LONGEST = 160;

/** Evidence on one line, `key=value, ...`; long values are cut, they stand whole in the journal itself. */
export function evidenceText(evidence: Readonly<Record<string, unknown>>): string {
  return Object.entries(evidence)
    .map(([key, value]) => `${key}=${shorten(typeof value === "string" ? value : JSON.stringify(value))}`)
    .join(", ");
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
