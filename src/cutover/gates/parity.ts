import type { Gate, GateContext } from "../gate.ts";

/** Settings whose difference changes what queries answer or how long they take; only shown. */
const COMPARED_SETTINGS = [
  "TimeZone",
  "default_transaction_isolation",
  "max_connections",
  "random_page_cost",
  "search_path",
  "server_version",
  "work_mem",
];

/** The tables are still those that stream, the target has them with as many usable indexes; extensions and settings side by side. */
export const parityGate: Gate = {
  id: "parity",
  title: "the selected tables are those that stream, and their indexes exist at the target",
  when: ["switch"],
  side: "both",
  async ask(context) {
    const drift = await context.facts.drift();
    const lacking = await lackingIndexes(context);
    const extensions = await lackingExtensions(context);
    const open = drift.length === 0 && lacking.length === 0 && extensions.length === 0;
    return {
      verdict: open ? "pass" : "fail",
      evidence: {
        drift: drift.slice(0, 5),
        fewerIndexes: lacking.slice(0, 5),
        missingExtensions: extensions,
        settingsThatDiffer: await differingSettings(context),
      },
      advice: drift.length > 0 ? "a table changed at the source after the plan: make the same change at the target, then reload it" : null,
    };
  },
};

async function lackingIndexes({ from, to, tables }: GateContext): Promise<readonly string[]> {
  const [here, there] = [await to.indexes(tables), await from.indexes(tables)];
  return [...there].filter(([table, indexes]) => (here.get(table) ?? 0) < indexes).map(([table]) => table);
}

async function lackingExtensions({ from, to }: GateContext): Promise<readonly string[]> {
  const here = new Set((await to.extensions()).map(({ name }) => name));
  return (await from.extensions()).map(({ name }) => name).filter((name) => !here.has(name));
}

async function differingSettings({ from, to }: GateContext): Promise<readonly string[]> {
  const [here, there] = [await to.settings(COMPARED_SETTINGS), await from.settings(COMPARED_SETTINGS)];
  return [...there].filter(([name, value]) => here.get(name) !== value).map(([name, value]) => `${name}: ${value} / ${here.get(name)}`);
}
