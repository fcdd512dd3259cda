import type { Operator } from "./operator.ts";
import type { PaymentsApplication } from "./payments/application.ts";
import type { SideName } from "./payments/route.ts";
import type { Stages } from "./stages.ts";

/** Who plays a part in the demo. */
export interface Cast {
  readonly operator: Operator;
  readonly application: PaymentsApplication;
  readonly stages: Stages;
  readonly urls: Readonly<Record<SideName, string>>;
  /** Where pghaul.yaml lies. */
  readonly directory: string;
}
