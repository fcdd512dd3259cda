import { CutoverStore } from "../state/cutover-store.ts";
import { HoldStore } from "../state/hold-store.ts";
import type { StateDatabase } from "../state/state-database.ts";

/** The wishes to load a held table anew that may be fulfilled now. */
export class ReloadRequests {
  readonly #state: StateDatabase;
  readonly #holds: HoldStore;

  constructor(state: StateDatabase) {
    this.#state = state;
    this.#holds = new HoldStore(state);
  }

  /** Ids of tables. None while the target is, or is about to become, the primary: to empty a table there would lose what was written to it. */
  due(): readonly string[] {
    const asked = this.#holds.reloadsAsked();
    return asked.length === 0 || !sourceIsPrimary(this.#state) ? [] : asked;
  }
}

/** False while a switch is under way, too. */
export function sourceIsPrimary(state: StateDatabase): boolean {
  const attempt = new CutoverStore(state).load();
  if (attempt === null) return true;
  if (attempt.outcome === "running") return false;
  return attempt.outcome === "switched" ? attempt.to === "source" : attempt.to === "target";
}
