import { formatDuration } from "../observe/units.ts";

/** `2026-11-21 12:22:41`, always UTC: operators of one migration sit in several zones. */
export function formatMoment(iso: string | null): string {
  return iso === null ? "–" : `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
}

/** Milliseconds as `840 ms`, `4.1 s`, `3m 20s`, `2h 05m`. */
export function formatMillis(millis: number | null): string {
  if (millis === null) return "–";
  if (millis < 1_000) return `${Math.round(millis)} ms`;
  if (millis < 60_000) return `${(millis / 1_000).toFixed(1)} s`;
  return formatDuration(millis / 1_000);
}

/** From one moment to another; null while one of them is not known. */
export function millisBetween(from: string | null, to: string | null): number | null {
  return from === null || to === null ? null : Date.parse(to) - Date.parse(from);
}
