/** What one seed of the simulated switch came to. */
export interface SwitchOutcome {
  readonly seed: number;
  readonly failure: Error | null;
  readonly hash: string;
  readonly happened: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
}
