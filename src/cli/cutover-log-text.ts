import { renderTable } from "./table.ts";

/** What the text is made of; `readCutoverLog` in the workflow returns it. */
export interface LogEntryView {
  readonly seq: number;
  readonly at: string;
  readonly user: string;
  readonly host: string;
  readonly kind: string;
  readonly evidence: Readonly<Record<string, unknown>>;
}

const COLUMNS = [{ title: "#", align: "right" }, { title: "AT" }, { title: "WHO" }, { title: "WHAT" }, { title: "EVIDENCE" }] as const;

/**
 * The journal for a person: what was switched first, then the gates, a sentence for each time that they were asked. `evidence` puts one on a
 * line.
 */
export function cutoverLogText(entries: readonly LogEntryView[], evidence: (of: LogEntryView["evidence"]) => string): string {
  const acts = entries.filter(({ kind }) => kind !== "gate");
  const table = renderTable(
    COLUMNS,
    acts.map((entry) => [String(entry.seq), entry.at, `${entry.user}@${entry.host}`, entry.kind, evidence(entry.evidence)]),
  );
  const asked = askings(entries).map((gates) => sentence(gates, evidence));
  return asked.length === 0 ? table : `${table}\nGates, each time they were checked:\n${asked.join("\n")}\n`;
}

type Gates = readonly [LogEntryView, ...LogEntryView[]];

/** Gates that follow one another are one asking, until one comes again. */
function askings(entries: readonly LogEntryView[]): readonly Gates[] {
  const found: [LogEntryView, ...LogEntryView[]][] = [];
  let before: LogEntryView | null = null;
  for (const entry of entries) {
    if (entry.kind === "gate") {
      const last = found.at(-1);
      const goesOn = before?.kind === "gate" && before.evidence.to === entry.evidence.to;
      const isNew = last === undefined || !goesOn || last.some(({ evidence }) => evidence.id === entry.evidence.id);
      if (isNew) found.push([entry]);
      else last.push(entry);
    }
    before = entry;
  }
  return found;
}

function sentence(gates: Gates, evidence: (of: LogEntryView["evidence"]) => string): string {
  const [{ seq, at, evidence: first }] = gates;
  const closed = gates.filter((gate) => gate.evidence.open !== true);
  const head = `${at} (from #${seq}), for a switch to the ${String(first.to)}:`;
  if (closed.length === 0) return `${head} all ${gates.length} gates were open.`;
  const why = closed.map((gate) => {
    const seen = gate.evidence.evidence;
    const shown = typeof seen === "object" && seen !== null ? evidence(seen as LogEntryView["evidence"]) : "";
    return `${String(gate.evidence.id)} (${shown})`;
  });
  return `${head} ${closed.length} of ${gates.length} gates ${closed.length === 1 ? "was" : "were"} closed: ${why.join("; ")}.`;
}
