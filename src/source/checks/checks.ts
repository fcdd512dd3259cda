import { ACCESS_CHECKS } from "./access-checks.ts";
import type { Check } from "./check.ts";
import { CONSTRUCT_CHECKS } from "./construct-checks.ts";
import { MACHINE_CHECKS } from "./machine-checks.ts";
import { PARITY_CHECKS } from "./parity-checks.ts";
import { PRIVILEGE_CHECKS } from "./privilege-checks.ts";
import { publicationsCheck } from "./publications-check.ts";
import { SCHEMA_CHECKS } from "./schema-checks.ts";
import { SERVER_CHECKS } from "./server-checks.ts";
import { SURROUNDINGS_CHECKS } from "./surroundings-checks.ts";
import { TABLE_CHECKS } from "./table-checks.ts";

/** In the order an operator would ask: can we get there, may we, is it fit, are both sides alike. */
export const CHECKS: readonly Check[] = [
  ...SERVER_CHECKS,
  ...PRIVILEGE_CHECKS,
  ...TABLE_CHECKS,
  ...SURROUNDINGS_CHECKS,
  publicationsCheck,
  ...CONSTRUCT_CHECKS,
  ...SCHEMA_CHECKS,
  ...PARITY_CHECKS,
  ...ACCESS_CHECKS,
  ...MACHINE_CHECKS,
];
