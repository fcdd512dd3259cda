import type { Holder, OpenTransaction } from "../../conditions/activity-facts.ts";
import type { Gate } from "../gate.ts";

const SHOWN = 5;

/** Nothing at the old primary holds what the fence will wait for. */
export const transactionsGate: Gate = {
  id: "transactions",
  title: "no long transaction, prepared transaction or maintenance holds the tables",
  when: ["switch", "rollback"],
  side: "old",
  async ask({ from, tables, limits }) {
    const { vacuums, maintenance } = await from.holders(tables);
    // A fence waits for who has written in this database; whoever reads is in nobody's way.
    const writers = (await from.transactions(limits.maxTransactionAge)).filter(({ wrote, here }) => wrote && here);
    const prepared = writers.filter((one) => one.prepared).slice(0, SHOWN);
    const old = writers.filter((one) => !one.prepared).slice(0, SHOWN);
    const sessions = [...vacuums, ...maintenance, ...old];
    const fixes = [...endings(prepared, "or commit it"), ...endings(sessions, "or wait for it")];
    return {
      verdict: fixes.length === 0 ? "pass" : "fail",
      evidence: {
        olderThanSeconds: limits.maxTransactionAge / 1000,
        ...{ old: aged(old), prepared: aged(prepared), vacuums: names(vacuums), maintenance: names(maintenance) },
      },
      advice: fixes.length === 0 ? null : fixes.join("\n"),
      ttlMillis: 10_000,
    };
  },
};

function aged(transactions: readonly OpenTransaction[]): readonly string[] {
  return transactions.map(({ who, seconds }) => `${who} for ${seconds} s`);
}

function names(holders: readonly Holder[]): readonly string[] {
  return holders.map(({ who }) => who);
}

/** One session can hold more than one thing. */
function endings(holders: readonly Holder[], remark: string): readonly string[] {
  return [...new Set(holders.map(({ end }) => `${end};   -- ${remark}`))];
}
