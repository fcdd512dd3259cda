/** Looks at the source's condition while the streams run, and warns once when something there begins to go wrong. */
import type pg from "pg";
import type { ProgressBus } from "../../observe/events.ts";
import { readHealth, type SourceHealth } from "../../source/health.ts";

/** A transaction that old holds back vacuum at the source, and a fence would wait for it. */
const LONG_SECONDS = 3600;

export class SourceWatch {
  readonly #slot: string;
  readonly #bus: ProgressBus;
  readonly #told = new Set<string>();

  constructor(slot: string, bus: ProgressBus) {
    this.#slot = slot;
    this.#bus = bus;
  }

  async look(client: pg.Client): Promise<void> {
    const warnings = warningsOf(await readHealth(client, this.#slot, LONG_SECONDS));
    for (const { code, message } of warnings) {
      if (this.#told.has(code)) continue;
      this.#bus.emit({ kind: "warning", code, message });
    }
    // What is over may be told again when it comes back.
    this.#told.clear();
    for (const { code } of warnings) this.#told.add(code);
  }
}

function warningsOf({ slot, longTransactions, preparedTransactions }: SourceHealth): { readonly code: string; readonly message: string }[] {
  const open = [...longTransactions, ...preparedTransactions.filter(({ seconds }) => seconds > LONG_SECONDS)];
  const atRisk = slot?.walStatus === "unreserved" || slot?.walStatus === "lost";
  return [
    ...(atRisk
      ? [
          {
            code: "SLOT_AT_RISK",
            message: `the slot's WAL is ${slot.walStatus}: the source may remove what was not read yet (max_slot_wal_keep_size)`,
          },
        ]
      : []),
    ...(open.length > 0
      ? [{ code: "LONG_TRANSACTION", message: `open at the source for more than an hour: ${open.map(({ who }) => who).join("; ")}` }]
      : []),
  ];
}
