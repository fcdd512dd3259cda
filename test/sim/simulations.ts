/** What is simulated, seed by seed. */
import { runSimulation } from "./run-simulation.ts";
import { runSwitchSimulation } from "./switch/run-switch-simulation.ts";
import { runVersionSimulation } from "./versions/run-version-simulation.ts";

interface SeedOutcome {
  readonly failure: Error | null;
  readonly hash: string;
  readonly happened: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
}

export type SimulationName = "stream" | "versions" | "switch";

export const SIMULATIONS: Readonly<Record<SimulationName, (seed: number, trace: boolean) => Promise<SeedOutcome>>> = {
  stream: (seed, trace) => runSimulation(seed, { trace }),
  versions: (seed, trace) => runVersionSimulation(seed, { trace }),
  switch: (seed, trace) => runSwitchSimulation(seed, {}, trace),
};

/** What runs exactly this seed, and shows its steps. */
export function again(name: SimulationName, seed: number): string {
  return `npm run test:sim -- --of ${name} --seed ${seed} --trace`;
}
