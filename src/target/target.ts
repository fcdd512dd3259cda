import type { Target } from "../engine/ports.ts";

/** A target that was opened: the engine's port, and what the workflow needs around it. */
export interface OpenTarget extends Target {
  /** Resolves when everything that was committed so far survives a crash of the target. */
  makeDurable(): Promise<void>;
  /** Ends every connection; what is under way is rolled back by the server. May be called twice. */
  close(): Promise<void>;
}
