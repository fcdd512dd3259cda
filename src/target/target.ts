import type { VersionTarget } from "../engine/ports/version-target.ts";
import type { Target } from "../engine/ports.ts";

/** A target that answers at once, opened: the engine's port, and what the workflow needs around it. */
export interface OpenTarget extends Target {
  /** Resolves when everything that was committed so far survives a crash of the target. */
  makeDurable(): Promise<void>;
  /** Ends every connection; what is under way is rolled back by the server. May be called twice. */
  close(): Promise<void>;
}

/** A target that takes versions, opened. */
export interface OpenVersionTarget extends VersionTarget {
  /** What is under way leaves nothing behind that counts. May be called twice. */
  close(): Promise<void>;
}

/** A target as the engine is handed it, for one of its lives. */
export type EngineTarget =
  | { readonly takes: "rows"; readonly target: OpenTarget }
  | { readonly takes: "versions"; readonly target: OpenVersionTarget };
