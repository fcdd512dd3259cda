import { CUTOVER_MUTANTS } from "./cutover-mutants.ts";
import { ENGINE_MUTANTS } from "./engine-mutants.ts";
import { LOG_MUTANTS } from "./log-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { TARGET_MUTANTS } from "./target-mutants.ts";
import { VERIFY_MUTANTS } from "./verify-mutants.ts";

/** All of them; those that start servers last. */
export const MUTANTS: readonly Mutant[] = [...ENGINE_MUTANTS, ...LOG_MUTANTS, ...VERIFY_MUTANTS, ...CUTOVER_MUTANTS, ...TARGET_MUTANTS];
