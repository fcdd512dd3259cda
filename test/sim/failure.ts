/** What an oracle looks at; a failing seed names one of them. */
export type OracleName =
  /** A row at the target is not the source's row at the table's cursor. */
  | "wrong-row"
  /** A row that the source holds at the table's cursor, and that a merged chunk covers, is not at the target. */
  | "missing-row"
  /** A unique index refused what should be a subset of one source state. */
  | "unique"
  /** The target was told to raise drift, though nobody else writes there. */
  | "drift"
  /** A cursor or the stream position went back, or rows came before a cursor was on record. */
  | "position"
  /** The log was read below what was released or above what is durable. */
  | "log"
  /** Source and target differ at the end. */
  | "end"
  /** Nothing can move any more, or nothing ends. */
  | "stuck"
  /** The engine threw something that is neither a fault of the world nor an oracle's verdict. */
  | "error";

/** A verdict against the engine (or, for the judge's own self-checks, against the simulation). */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
  readonly oracle: OracleName;

  constructor(oracle: OracleName, message: string, cause?: unknown) {
    super(`${oracle}: ${message}`, cause === undefined ? undefined : { cause });
    this.oracle = oracle;
  }
}
