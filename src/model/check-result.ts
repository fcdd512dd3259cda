/** `fail`: the migration would fail or lose something. `warn`: it goes on, and somebody should know. */
export type CheckStatus = "pass" | "warn" | "fail";

export interface CheckResult {
  /** Stable, kebab-case. */
  readonly id: string;
  readonly status: CheckStatus;
  /** What was found, with its numbers. */
  readonly evidence: string;
  /** The statement or setting that fixes it. */
  readonly fix: string | null;
}
