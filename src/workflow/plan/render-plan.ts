import { planMarkdown, planText } from "../../plan/plan-text.ts";
import type { PlanResult } from "./plan-migration.ts";

/** The plan as people read it. */
export function renderPlan(plan: PlanResult, format: string): string {
  return format === "markdown" ? planMarkdown(plan) : planText(plan);
}
