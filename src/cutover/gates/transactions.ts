import type { Holder } from "../../conditions/side-facts.ts";
import type { Gate } from "../gate.ts";

/** Nothing at the old primary holds what the fence will wait for. */
export const transactionsGate: Gate = {
  id: "transactions",
  title: "no long transaction, prepared transaction or maintenance holds the tables",
  when: ["switch", "rollback"],
  side: "old",
  async ask({ from, tables, limits }) {
    const { old, prepared, vacuums, maintenance } = await from.holders(tables, limits.maxTransactionAge);
    const sessions = [...vacuums, ...maintenance, ...old];
    const fixes = [...endings(prepared, "or commit it"), ...endings(sessions, "or wait for it")];
    return {
      verdict: fixes.length === 0 ? "pass" : "fail",
      evidence: {
        olderThanSeconds: limits.maxTransactionAge / 1000,
        ...{ old: names(old), prepared: names(prepared), vacuums: names(vacuums), maintenance: names(maintenance) },
      },
      advice: fixes.length === 0 ? null : fixes.join("\n"),
      ttlMillis: 10_000,
    };
  },
};

function names(holders: readonly Holder[]): readonly string[] {
  return holders.map(({ who }) => who);
}

/** One session can hold more than one thing. */
function endings(holders: readonly Holder[], remark: string): readonly string[] {
  return [...new Set(holders.map(({ end }) => `${end};   -- ${remark}`))];
}
