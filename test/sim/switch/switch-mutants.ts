import type { CutoverSide, Route } from "../../../src/cutover/ports.ts";

/** Breaks one thing; how a test shows that the oracle sees it. */
export interface SwitchMutation {
  readonly side?: (side: CutoverSide) => CutoverSide;
  readonly route?: (route: Route) => Route;
  /** The watchdog gives up after this many tries. */
  readonly tries?: number;
}

interface Mutant {
  /** What is taken out. */
  readonly what: string;
  readonly mutation: SwitchMutation;
}

/** The switch without one of the things that keep it safe; each must be found by some seed. */
export const MUTANTS: readonly Mutant[] = [
  { what: "ending the earlier driver's sessions", mutation: { side: (side) => instead(side, { takeOver: async () => {} }) } },
  { what: "ending the earlier driver's hooks", mutation: { route: (route) => instead(route, { takeOver: async () => {} }) } },
  { what: "the watchdog's second try", mutation: { tries: 1 } },
  { what: "the guard of the new primary", mutation: { side: (side) => instead(side, { guard: async () => {} }) } },
  { what: "opening the old primary again", mutation: { side: (side) => instead(side, { open: unlessCancelled(side) }) } },
];

function unlessCancelled(side: CutoverSide): CutoverSide["open"] {
  return async (marker, limitMillis) => {
    if (!marker.endsWith("-cancelled")) await side.open(marker, limitMillis);
  };
}

function instead<T extends CutoverSide | Route>(port: T, change: Partial<T>): T {
  return new Proxy(port, {
    get: (object, name) => {
      const member: unknown = Reflect.get(Reflect.has(change, name) ? change : object, name);
      return typeof member === "function" ? member.bind(object) : member;
    },
  });
}
