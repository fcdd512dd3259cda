/** Ports that break one rule of the version way each: a simulation that cannot tell them from the right ones proves nothing. */
import { passLog } from "../../../src/engine/pass-log.ts";
import type { AppendedStretch, VersionTarget } from "../../../src/engine/ports/version-target.ts";
import type { ChunkRead, WholeRead } from "../../../src/engine/ports.ts";
import type { VersionPorts } from "../../../src/engine/versions/version-stream.ts";
import { VisibleFloor } from "../../../src/engine/visible-floor.ts";
import type { TransactionPiece } from "../../../src/model/change.ts";
import { reader } from "../mutations.ts";
import type { Mutation } from "../run-simulation.ts";
import type { VersionMutation } from "./run-version-simulation.ts";

const NEVER = new AbortController().signal;

/** A mutation of the row way that looks at source and log alone. */
export function ofSource(mutation: Mutation): VersionMutation {
  return (ports, { server, random }) => {
    const unused = undefined as never;
    const { source, log } = mutation({ ...ports, target: unused }, { server, random, target: unused });
    return { ...ports, source, log };
  };
}

/** The floor of a chunk is taken when its snapshot is there already. */
export const floorAfterSnapshot: VersionMutation = (ports) => ({
  ...ports,
  target: overlay(ports.target, {
    loadChunk: async (table, chunk, read, rows) => {
      const floor = await new VisibleFloor(ports).current(NEVER);
      await ports.target.loadChunk(table, chunk, { ...read, floor }, rows);
    },
  }),
});

/** Nobody reads again what the stream did not tell. */
export const movesForgotten: VersionMutation = (ports) => ({
  ...ports,
  target: overlay(ports.target, {
    loadKeys: async () => {},
    append: (tables, from, pieces, close) => ports.target.append(tables, from, pieces, () => ({ ...close(), pending: [] })),
  }),
});

/** A move is settled by a point re-read that may have come before it was visible. */
export const settledUnseen: VersionMutation = (ports) => ({
  ...ports,
  source: reader(ports.source, { heartbeat: async () => ({ ...(await ports.source.heartbeat()), contains: () => true }) }),
  target: overlay(ports.target, {
    // The floors of the others stay right: the log's first position is one at any time.
    loadChunk: (table, chunk, read, rows) => ports.target.loadChunk(table, chunk, { ...read, floor: 0n }, rows),
    loadWhole: (table, chunk, copyText, confirm) =>
      ports.target.loadWhole(table, chunk, copyText, async () => ({ ...(await confirm()), floor: 0n })),
  }),
});

/** A table is complete as soon as its reads are in the log, accepted or not. */
export const publishedEarly: VersionMutation = (ports) => {
  const early = async <R extends ChunkRead | WholeRead>(read: R): Promise<R> => {
    await passLog(ports, read.hi, NEVER);
    return { ...read, hi: 0n };
  };
  const { source } = ports;
  return {
    ...ports,
    source: reader(source, {
      readChunk: async (...args) => early(await source.readChunk(...args)),
      readKeys: async (...args) => early(await source.readKeys(...args)),
    }),
  };
};

/** After a lost connection an append is sent again, to another end, without asking what was accepted. */
export const appendRepeated: VersionMutation = (ports, { state, random }) => {
  state.checksStart = false;
  const { target } = ports;
  return {
    ...ports,
    target: overlay(target, {
      append: async (tables, from, pieces, close) => {
        const all = await collect(pieces);
        const ends = all.flatMap(({ last }, index) => (last ? [index + 1] : []));
        if (ends.length > 1 && random.chance(0.5)) {
          const part = all.slice(0, random.pick(ends.slice(0, -1)));
          const to = part.at(-1)?.header.endLsn ?? from;
          await target.append(tables, from, each(part), () => ({ ...close(), to, pending: [] }));
        }
        await target.append(tables, from, each(all), close);
      },
    }),
  };
};

/** The accepted position goes first, and what was appended behind it. */
export const acceptedFirst: VersionMutation = (ports, { state }) => {
  state.checksStart = false;
  const { target } = ports;
  return {
    ...ports,
    target: overlay(target, {
      append: async (tables, from, pieces, close) => {
        const all = await collect(pieces);
        const end: AppendedStretch = close();
        await target.append(tables, from, each([]), () => ({ ...end, pending: [] }));
        if (all.length > 0) await target.append(tables, end.to, each(all), () => end);
      },
    }),
  };
};

/** What was accepted is taken for durable, and the log is released. */
export const acceptedIsDurable: VersionMutation = (ports, { state }) => ({
  ...ports,
  target: overlay(ports.target, {
    settle: async () => state.accepted,
    publish: async (table, position) => {
      await ports.target.settle();
      await ports.target.publish(table, position);
    },
  }),
});

/** The target does not tell what was loaded, and counts what is delivered again once more. */
export const countedTwice: VersionMutation = (ports, { state }) => {
  state.addsChunks = true;
  return {
    ...ports,
    target: overlay(ports.target, { progress: async () => ({ ...(await ports.target.progress()), loadedChunks: new Set<number>() }) }),
  };
};

async function collect(pieces: AsyncIterable<TransactionPiece>): Promise<TransactionPiece[]> {
  const all: TransactionPiece[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

async function* each(pieces: readonly TransactionPiece[]): AsyncGenerator<TransactionPiece> {
  yield* pieces;
}

function overlay(target: VersionPorts["target"], changed: Partial<VersionTarget>): VersionTarget {
  return {
    side: target.side,
    cadence: target.cadence,
    carriesMoves: target.carriesMoves,
    progress: () => target.progress(),
    loadChunk: (...args) => target.loadChunk(...args),
    loadWhole: (...args) => target.loadWhole(...args),
    loadKeys: (...args) => target.loadKeys(...args),
    append: (...args) => target.append(...args),
    settle: () => target.settle(),
    holdTable: (...args) => target.holdTable(...args),
    publish: (...args) => target.publish(...args),
    forgetTable: (table) => target.forgetTable(table),
    ...changed,
  };
}
