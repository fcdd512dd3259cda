/** One breach of a rule, printed as `path:line rule message`. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}
