const LONGEST = 160;

/** Evidence on one line, `key=value, ...`; long values are cut, they stand whole in the journal itself. */
export function evidenceText(evidence: Readonly<Record<string, unknown>>): string {
  return Object.entries(evidence)
    .map(([key, value]) => (isObject(value) ? `${key}: ${evidenceText(value)}` : `${key}=${shorten(plain(value))}`))
    .join(", ");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
