/** Looks at the source's condition while the streams run, and warns once when something there begins to go wrong. */

import type pg from "pg";
import type { ErrorCode } from "../../errors/codes.ts";
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { SideName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { readHealth, type SourceHealth } from "../../source/health.ts";

/** A transaction that old holds back vacuum at the source, and a fence would wait for it. */
const LONG_SECONDS = 3600;

/** What only the operator can fix, and what loses changes until then. */
const FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["PUBLICATION_CHANGED", "TABLE_RENAMED"]);

/** True for what a look must end the run with. */
export function isSourceFault(error: unknown): boolean {
  return error instanceof PghaulError && FAULTS.has(error.code);
}

export interface WatchParts {
  /** The primary. */
  readonly side: SideName;
  readonly slot: string;
  readonly bus: ProgressBus;
  /** Looks for what happened to the tables and does not stream. Throws a source fault. */
  readonly changes: (client: pg.Client) => Promise<void>;
}

type Warning = { readonly code: string; readonly message: string };

export class SourceWatch {
  readonly #side: SideName;
  readonly #slot: string;
  readonly #bus: ProgressBus;
  readonly #changes: WatchParts["changes"];
  readonly #told = new Set<string>();

  constructor({ side, slot, bus, changes }: WatchParts) {
    this.#side = side;
    this.#slot = slot;
    this.#bus = bus;
    this.#changes = changes;
  }

  /** Throws a source fault, and nothing else: a source that is away is for the streams to tell. */
  async look(client: pg.Client): Promise<void> {
    const warnings = [...(await this.#health(client)), ...(await this.#blindness(client))];
    for (const { code, message } of warnings) {
      if (this.#told.has(code)) continue;
      this.#bus.emit({ kind: "warning", code, message });
    }
    // What is over may be told again when it comes back.
    this.#told.clear();
    for (const { code } of warnings) this.#told.add(code);
  }

  /** A role that may not see others' sessions still has a lag to be measured. */
  async #health(client: pg.Client): Promise<Warning[]> {
    return readHealth(client, this.#slot, LONG_SECONDS).then(
      (health) => warningsOf(health, this.#side),
      () => [],
    );
  }

  async #blindness(client: pg.Client): Promise<Warning[]> {
    try {
      await this.#changes(client);
      return [];
    } catch (error) {
      if (isSourceFault(error)) throw error;
      const why = error instanceof Error ? error.message : String(error);
      return [{ code: "TABLES_NOT_WATCHED", message: `pghaul cannot see now whether tables change at the ${this.#side}: ${why}` }];
    }
  }
}

function warningsOf({ slot, longTransactions, preparedTransactions }: SourceHealth, side: SideName): Warning[] {
  const open = [...longTransactions, ...preparedTransactions.filter(({ seconds }) => seconds > LONG_SECONDS)];
  const atRisk = slot?.walStatus === "unreserved" || slot?.walStatus === "lost";
  return [
    ...(atRisk
      ? [
          {
            code: "SLOT_AT_RISK",
            message: `the slot's WAL is ${slot.walStatus}: the ${side} may remove WAL that has not been read yet (max_slot_wal_keep_size)`,
          },
        ]
      : []),
    ...(open.length > 0
      ? [
          {
            code: "LONG_TRANSACTION",
            message: `transactions open at the ${side} for more than an hour: ${open.map(({ who }) => who).join("; ")}`,
          },
        ]
      : []),
  ];
}
