/** A fault that somebody could make in src, and the tests that must not let it pass. */
export interface Mutant {
  /** What is lost, as a sentence goes on behind "survived: ". */
  readonly what: string;
  /** Text that stands in src exactly once, in whatever file: files move. */
  readonly find: string;
  readonly replace: string;
  /** Test files of which one must fail. */
  readonly killedBy: readonly string[];
  /** Starts servers, or takes minutes: only in the whole list. */
  readonly isLong?: true;
}
