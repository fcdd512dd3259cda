import type { Gate } from "../gate.ts";

/** Nothing at the old primary holds what the fence will wait for. */
export const transactionsGate: Gate = {
  id: "transactions",
  title: "no long transaction, prepared transaction or maintenance holds the tables",
  async ask({ from, tables, limits }) {
    const { old, prepared, vacuums, maintenance } = await from.holders(tables, limits.maxTransactionAge);
    const holders = [...prepared, ...vacuums, ...maintenance, ...old];
    return {
      open: holders.length === 0,
      evidence: { olderThanSeconds: limits.maxTransactionAge / 1000, old, prepared, vacuums, maintenance },
      ...(holders.length === 0
        ? {}
        : {
            fix: prepared.length > 0 ? "rollback prepared 'GID';   -- or commit it" : "wait for them, or select pg_terminate_backend(PID);",
          }),
      ttlMillis: 10_000,
    };
  },
};
