/** Prechecks for people and for a monitor. The shape is that of the workflow's results. */
import { redact } from "../observe/redact.ts";

export interface CheckView {
  readonly id: string;
  readonly status: "pass" | "warn" | "fail";
  readonly evidence: string;
  readonly fix: string | null;
}

const MARKS = { pass: "ok", warn: "WARN", fail: "FAIL" } as const;

/** Ids line up as long as they are no longer than that. */
const ID_WIDTH = 30;

/** One result, printed as soon as it is known: a line, and below it what fixes it, to be pasted. */
export function checkText({ id, status, evidence, fix }: CheckView): string {
  const line = `${MARKS[status].padEnd(4)}  ${id.padEnd(ID_WIDTH)}  ${evidence.replaceAll(/[\r\n]+/g, " ")}`;
  return fix === null ? line : `${line}\n${fix.replaceAll(/^/gm, "      fix: ")}`;
}

export function checkSummary(checks: readonly CheckView[]): string {
  const failed = idsOf(checks, "fail");
  return `${checks.length} checks; failed: ${failed.length === 0 ? "none" : failed.join(", ")}; warnings: ${idsOf(checks, "warn").length}`;
}

/** What a Nagios plugin ends with (Monitoring Plugins, Development Guidelines: "Plugin Return Codes"). */
const PLUGIN = {
  OK: 0,
  WARNING: 1,
  CRITICAL: 2,
  UNKNOWN: 3,
} as const;

interface PluginAnswer {
  readonly line: string;
  readonly exit: number;
}

/** One line: the state, the checks it comes from, and the counts as performance data behind the bar. */
export function pluginAnswer(checks: readonly CheckView[]): PluginAnswer {
  const failed = idsOf(checks, "fail");
  const warned = idsOf(checks, "warn");
  const state = failed.length > 0 ? "CRITICAL" : warned.length > 0 ? "WARNING" : "OK";
  const said = [failed.length > 0 ? `failed: ${failed.join(", ")}` : null, warned.length > 0 ? `warnings: ${warned.join(", ")}` : null];
  const text = said.filter((part) => part !== null).join("; ") || `${checks.length} checks passed`;
  return answer(state, `${text} | failed=${failed.length} warned=${warned.length} checks=${checks.length}`);
}

/** Nothing could be asked at all: the configuration is broken, or pghaul is. */
export function pluginUnknown(error: unknown): PluginAnswer {
  return answer("UNKNOWN", redact(error instanceof Error ? error.message : String(error)).replaceAll("|", "/"));
}

function answer(state: keyof typeof PLUGIN, text: string): PluginAnswer {
  return { line: `PGHAUL ${state} - ${text.replaceAll(/\s+/g, " ")}`, exit: PLUGIN[state] };
}

function idsOf(checks: readonly CheckView[], status: CheckView["status"]): readonly string[] {
  return checks.filter((check) => check.status === status).map(({ id }) => id);
}
