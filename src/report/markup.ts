import { redact } from "../observe/redact.ts";

/** Text that is HTML already. Only `html` makes it, so nothing from a database reaches a page unescaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Markup | string | number | null | readonly Content[];

/** HTML with values put in: strings are redacted and escaped, `Markup` stays as it is, lists are joined, null is nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(parts.reduce((text, part, index) => text + toText(values[index - 1] ?? null) + part));
}

function toText(value: Content): string {
  if (value === null) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "string") return escapeHtml(redact(value));
  if (typeof value === "number") return String(value);
  return value.map(toText).join("");
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
