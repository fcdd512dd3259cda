/** Ports that break one rule of the specification each: a simulation that cannot tell them from the right ones proves nothing. */
import type { ChunkRead, ReadView, SourceReader, Target, TargetTransaction, WholeRead } from "../../src/engine/ports.ts";
import type { Lsn } from "../../src/model/lsn.ts";
import { keyText, type TableLeaf } from "../../src/model/table.ts";
import { SimRows } from "./postgres/rows.ts";
import { keyOf } from "./postgres/tables.ts";
import type { Mutation } from "./run-simulation.ts";
import type { TableRows } from "./target/table-rows.ts";
import type { SimTarget } from "./target/target.ts";

/** Chunks may start before the writers that the slot did not wait for are visible (research, scenario B). */
export const noBarrier: Mutation = (ports) => ({ ...ports, source: reader(ports.source, { barrier: () => Promise.resolve() }) });

/** A read contains what committed before the LSN taken with its snapshot: the obvious rule, and a wrong one. */
export const lsnRule: Mutation = (ports, { server }) => {
  const below = (hi: Lsn): ReadView => ({ text: String(hi), contains: ({ commitLsn }) => commitLsn < hi });
  const { source } = ports;
  const byLsn = <R extends ChunkRead | WholeRead>(read: R): R => ({ ...read, view: below(read.hi) });
  return {
    ...ports,
    source: reader(source, {
      heartbeat: async () => {
        await source.heartbeat();
        return below(server.insertLsn);
      },
      readChunk: async (...args) => byLsn(await source.readChunk(...args)),
      readKeys: async (...args) => byLsn(await source.readKeys(...args)),
      readWhole: (table, consume, signal) => source.readWhole(table, (read) => consume(byLsn(read)), signal),
      restoreView: (text) => below(BigInt(text)),
    }),
  };
};

/** A point re-read that asks nobody: what the target holds is taken for the truth. */
export const noReread: Mutation = (ports, { target }) => ({
  ...ports,
  source: reader(ports.source, {
    readKeys: async (table, keys, signal) => {
      const read = await ports.source.readKeys(table, keys, signal);
      const held = keys.map((key) => target.tables.get(table.id)?.rows.get(keyText(key)));
      return { ...read, rows: new SimRows(held.filter((row) => row !== undefined)) };
    },
  }),
});

/** A point re-read replaces whatever the operator finds equal, and not the rows of the very texts that were asked for. */
export const replacedByOperator: Mutation = (ports, { target }) => ({
  ...ports,
  target: within(ports.target, (transaction) =>
    overlay(transaction, {
      replace: async (table, keys, rows) => {
        const held = target.tables.get(table.id) as TableRows;
        const names = new Set(keys.map((key) => held.sim.nameOf(key)));
        const equal = [...held.rows.values()].map((row) => keyOf(held.sim, row)).filter((key) => names.has(held.sim.nameOf(key)));
        await transaction.replace(table, [...keys, ...equal], rows);
      },
    }),
  ),
});

/** The visible floor is where the log stands: commits that are streamed but not visible yet are taken for seen. */
export const floorAtPassed: Mutation = (ports) => ({
  ...ports,
  source: reader(ports.source, {
    heartbeat: async () => ({ ...(await ports.source.heartbeat()), contains: () => true }),
  }),
});

/** A chunk's roll-forward that passes by TRUNCATE: the transactions that truncate count as contained. */
export const truncateIgnored: Mutation = (ports, { server }) => {
  const truncates = (xid: bigint) =>
    server.commits.some(({ header, changes }) => header.xid === xid && changes.some(({ kind }) => kind === "truncate"));
  return {
    ...ports,
    source: reader(ports.source, {
      readChunk: async (...args) => {
        const read = await ports.source.readChunk(...args);
        return { ...read, view: { ...read.view, contains: (header) => truncates(header.xid) || read.view.contains(header) } };
      },
    }),
  };
};

/** The leaves of a table are those that it was planned with. */
export const leavesAsPlanned: Mutation = (ports) => ({
  ...ports,
  source: reader(ports.source, { leaves: async (table) => table.leaves }),
});

/** The leaves are looked at when a table opens, and never again. */
export const leavesAsOpened: Mutation = (ports) => {
  const opened = new Map<string, Promise<readonly TableLeaf[]>>();
  const leaves: SourceReader["leaves"] = (table, signal) => {
    const known = opened.get(table.id) ?? ports.source.leaves(table, signal);
    opened.set(table.id, known);
    return known;
  };
  return { ...ports, source: reader(ports.source, { leaves }) };
};

/** The cursor of a loading table is kept in memory alone. */
export const cursorNotRecorded: Mutation = (ports) => ({
  ...ports,
  target: within(ports.target, (transaction) =>
    overlay(transaction, {
      setTableProgress: async (table, progress) => {
        if (progress.state !== "loading" || progress.filter !== null) await transaction.setTableProgress(table, progress);
      },
    }),
  ),
});

/** A chunk read before a crash of the source counts after it: the log is said to have had one stream. */
export const oneStream: Mutation = (ports) => ({
  ...ports,
  log: {
    start: () => ports.log.start(),
    passed: () => ports.log.passed(),
    streams: () => 1,
    waitPassed: (lsn, signal) => ports.log.waitPassed(lsn, signal),
    read: (...args) => ports.log.read(...args),
    headers: (...args) => ports.log.headers(...args),
    release: (before) => ports.log.release(before),
  },
});

/** A target that went back is noticed by the stream alone: the load goes on from its own memory. */
export const noticedByTheStream: Mutation = (ports) => {
  (ports.target as SimTarget).noticing = "the stream";
  return ports;
};

/** Positions go to the target in a transaction of their own, behind the rows. */
export const positionApart: Mutation = (ports) => ({
  ...ports,
  target: {
    progress: () => ports.target.progress(),
    transaction: async (lane, work) => {
      const positions: ((transaction: TargetTransaction) => Promise<void>)[] = [];
      const result = await ports.target.transaction(lane, (transaction) =>
        work(
          overlay(transaction, {
            setStreamPosition: async (position) => void positions.push((later) => later.setStreamPosition(position)),
          }),
        ),
      );
      for (const write of positions) await ports.target.transaction(lane, write);
      return result;
    },
  },
});

export function reader(source: SourceReader, changed: Partial<SourceReader>): SourceReader {
  return {
    barrier: (waiting, signal) => source.barrier(waiting, signal),
    heartbeat: () => source.heartbeat(),
    leaves: (table, signal) => source.leaves(table, signal),
    readChunk: (...args) => source.readChunk(...args),
    readKeys: (...args) => source.readKeys(...args),
    readWhole: (table, consume, signal) => source.readWhole(table, consume, signal),
    restoreView: (text) => source.restoreView(text),
    ...changed,
  };
}

function within(target: Target, change: (transaction: TargetTransaction) => TargetTransaction): Target {
  return {
    progress: () => target.progress(),
    transaction: (lane, work) => target.transaction(lane, (transaction) => work(change(transaction))),
  };
}

function overlay(transaction: TargetTransaction, changed: Partial<TargetTransaction>): TargetTransaction {
  return {
    side: transaction.side,
    apply: (...args) => transaction.apply(...args),
    applyInOrder: (...args) => transaction.applyInOrder(...args),
    move: (...args) => transaction.move(...args),
    truncate: (tables) => transaction.truncate(tables),
    empty: (table) => transaction.empty(table),
    insertAbsent: (...args) => transaction.insertAbsent(...args),
    replace: (...args) => transaction.replace(...args),
    loadWhole: (...args) => transaction.loadWhole(...args),
    setStreamPosition: (position) => transaction.setStreamPosition(position),
    setTableProgress: (...args) => transaction.setTableProgress(...args),
    setChunkMerged: (...args) => transaction.setChunkMerged(...args),
    addPending: (...args) => transaction.addPending(...args),
    removePending: (...args) => transaction.removePending(...args),
    attempt: (work) => transaction.attempt(work),
    forgetTable: (table) => transaction.forgetTable(table),
    ...changed,
  };
}
