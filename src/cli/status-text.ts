import { breachText, type FenceBreach } from "../model/fence-breach.ts";
import { formatBytes, formatCount, formatDuration } from "../observe/units.ts";
import { renderTable } from "./table.ts";
import { type UnsettledView, unsettledText } from "./unsettled-text.ts";

/** What the text is made of; `readStatus` in the workflow returns it. */
export interface StatusView {
  readonly migration: string;
  readonly phase: string;
  readonly primary: string;
  readonly fenceBreach: (FenceBreach & { readonly side: string }) | null;
  readonly running: { readonly pid: number; readonly host: string; readonly command: string; readonly since: string } | null;
  readonly unsettled: UnsettledView | null;
  readonly waiting: string | null;
  readonly tables: readonly TableView[];
  readonly lag: { readonly bytes: number; readonly seconds: number } | null;
  readonly bytesPerSecond: number;
  readonly changesPerSecond: number;
  readonly etaSeconds: number | null;
  readonly slot: { readonly name: string; readonly retainedBytes: number | null; readonly walStatus: string | null } | null;
  readonly throttle: { readonly held: boolean; readonly why: string | null };
  readonly lastError: { readonly code: string; readonly message: string; readonly at: string } | null;
  readonly changes: readonly { readonly code: string; readonly message: string; readonly fix: string | null; readonly at: string }[];
  readonly updatedAt: string | null;
}

interface TableView {
  readonly table: string;
  readonly phase: string;
  readonly rows: number;
  readonly bytes: number;
  readonly expectedBytes: number;
  readonly chunks: { readonly done: number; readonly total: number };
  readonly verified: { readonly equal: boolean; readonly lsn: string } | null;
  readonly held: HoldView | null;
}

interface HoldView {
  readonly stream: string;
  readonly at: string;
  readonly reason: string;
  readonly lsn: string | null;
  readonly key: readonly string[] | null;
  readonly reloadAsked: string | null;
  readonly reloadRefused: string | null;
}

const COLUMNS = [
  { title: "TABLE" },
  { title: "PHASE" },
  { title: "ROWS", align: "right" },
  { title: "BYTES", align: "right" },
  { title: "DONE", align: "right" },
  { title: "CHUNKS", align: "right" },
  { title: "VERIFIED" },
] as const;

/**
 * The status for a person; off a terminal the table is tab-separated. With `lines`, no more of them than that: tables that need no attention
 * are counted instead of shown.
 */
export function statusText(status: StatusView, terminal?: boolean, lines = Number.POSITIVE_INFINITY): string {
  const facts = [
    ...(status.unsettled === null ? [] : unsettledText(status.unsettled).split("\n")),
    headLine(status),
    breachLine(status),
    primaryLine(status),
    waitingLine(status),
    loadLine(status),
    lagLine(status),
    slotLine(status),
    throttleLine(status),
    errorLine(status),
    ...status.tables.flatMap(({ table, held }) => (held === null ? [] : [heldLine(table, held)])),
    ...status.changes.map(changeLine),
  ];
  const shown = facts.filter((line) => line !== null);
  const head = `${shown.join("\n")}\n`;
  if (status.tables.length === 0) return head;
  // A blank line, and the titles.
  const { kept, others } = fit(status.tables, lines - shown.length - 2);
  return `${head}\n${renderTable(COLUMNS, kept.map(tableRow), terminal)}${others}`;
}

/** Phases by how much they tell: what is under way first. */
const ATTENTION: readonly string[] = ["loading", "loaded", "joined", "pending", "live"];

/** The tables that fit into so many lines, in their order, and a line that counts the rest. */
function fit(tables: readonly TableView[], lines: number): { readonly kept: readonly TableView[]; readonly others: string } {
  if (tables.length <= lines) return { kept: tables, others: "" };
  const rank = ({ phase, verified }: TableView): number => (verified?.equal === false ? -1 : ATTENTION.indexOf(phase));
  const chosen = new Set(tables.toSorted((a, b) => rank(a) - rank(b)).slice(0, Math.max(0, lines - 1)));
  const counts = Map.groupBy(
    tables.filter((table) => !chosen.has(table)),
    ({ phase }) => phase,
  );
  const rest = [...counts].map(([phase, { length }]) => `${formatCount(length)} ${phase}`).join(", ");
  return { kept: tables.filter((table) => chosen.has(table)), others: `and ${formatCount(tables.length - chosen.size)} more: ${rest}\n` };
}

function headLine({ migration, phase, running, updatedAt }: StatusView): string {
  if (updatedAt === null && running === null) return `${migration}: not started`;
  if (running === null) return `${migration}: not running; was ${phase} at ${updatedAt}`;
  return `${migration}: ${phase}; pid ${running.pid} (pghaul ${running.command}) on ${running.host} since ${running.since}`;
}

function breachLine({ fenceBreach }: StatusView): string | null {
  return fenceBreach === null ? null : `FENCE_BREACH: ${breachText(fenceBreach)}`;
}

/** Said where it is not what everybody expects. */
function primaryLine({ primary }: StatusView): string | null {
  return primary === "source" ? null : `primary: ${primary}; the lag shown is that of the way back`;
}

function waitingLine({ waiting, running }: StatusView): string | null {
  return waiting === null || running === null ? null : `waiting: ${waiting}`;
}

function loadLine({ tables, running, bytesPerSecond, etaSeconds }: StatusView): string | null {
  if (tables.length === 0) return null;
  const loaded = tables.filter(({ phase }) => phase !== "pending" && phase !== "loading").length;
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const expected = tables.reduce((sum, table) => sum + table.expectedBytes, 0);
  const parts = [
    `load: ${loaded} of ${tables.length} tables`,
    `${formatBytes(bytes)} of ${loaded === tables.length ? "" : "about "}${formatBytes(expected)}`,
  ];
  if (running !== null && loaded < tables.length)
    parts.push(`${formatBytes(bytesPerSecond)}/s`, `time left: ${formatDuration(etaSeconds)}`);
  return parts.join(", ");
}

function lagLine({ lag, changesPerSecond, running, updatedAt }: StatusView): string | null {
  if (lag === null) return null;
  const figures = `lag: ${formatBytes(lag.bytes)}, ${lag.seconds.toFixed(1)} s`;
  return running === null ? `${figures} (at ${updatedAt})` : `${figures}, ${formatCount(changesPerSecond)} changes/s`;
}

function slotLine({ slot }: StatusView): string | null {
  if (slot === null) return null;
  const held = slot.retainedBytes === null ? "holds an unknown amount of WAL" : `holds ${formatBytes(slot.retainedBytes)} of WAL`;
  return `slot: ${slot.name} ${held}${slot.walStatus === null ? "" : ` (${slot.walStatus})`}`;
}

/** A process that has gone holds nothing back; what is waited for may say it already. */
function throttleLine({ throttle, running, waiting }: StatusView): string | null {
  const line = `reads are held back: ${throttle.why}`;
  return throttle.held && running !== null && waiting !== line ? `throttle: ${line}` : null;
}

function errorLine({ lastError }: StatusView): string | null {
  return lastError === null ? null : `last error: ${lastError.code} at ${lastError.at}: ${lastError.message}`;
}

function heldLine(table: string, { stream, at, reason, lsn, key, reloadAsked, reloadRefused }: HoldView): string {
  const row = key === null ? "a row" : `the row with key (${key.join(", ")})`;
  const place = lsn === null ? "" : ` at ${lsn}`;
  const reload = `remove the cause, then run: pghaul snapshot reload --table '${table.replaceAll("'", "'\\''")}'`;
  const again = reloadRefused === null ? reload : `could not be reloaded: ${reloadRefused}; ${reload}`;
  const next = reloadAsked !== null ? "will be reloaded" : stream === "reverse" ? "final: the way back stays closed" : again;
  return `HELD since ${at}: ${table}: ${stream === "reverse" ? "the source" : "the target"} refuses ${row}${place}: ${reason}; ${next}`;
}

function changeLine({ code, message, fix, at }: StatusView["changes"][number]): string {
  return `in doubt since ${at}: ${code}: ${message}${fix === null ? "" : `; ${fix}`}`;
}

function tableRow({ table, phase, rows, bytes, expectedBytes, chunks, verified, held }: TableView): string[] {
  const loading = phase === "pending" || phase === "loading";
  // Rounded down: 100 % is only said of what is complete.
  const done = loading ? `${expectedBytes === 0 ? 0 : Math.min(99, Math.floor((bytes / expectedBytes) * 100))}%` : "100%";
  const answer = verified === null ? "-" : `${verified.equal ? "equal" : "different"} at ${verified.lsn}`;
  return [table, held === null ? phase : "HELD", formatCount(rows), formatBytes(bytes), done, `${chunks.done}/${chunks.total}`, answer];
}
