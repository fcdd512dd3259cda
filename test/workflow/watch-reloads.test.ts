/** Wishes to load a held table anew: what fulfils them, what gives them back, and that the stream waits for none of it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EnginePorts, TargetTransaction } from "../../src/engine/ports.ts";
import { reloadTable } from "../../src/engine/rows/reload-table.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import type { Table } from "../../src/model/table.ts";
import { type Definition, type Reloads, TablesEmptied, watchReloads } from "../../src/workflow/reload/watch-reloads.ts";
import { T } from "../engine/rows.ts";

const OTHER: Table = { ...T, id: "public.other" };
const WIDER: Table = { ...T, columns: [...T.columns, { name: "fee", type: "numeric", identityAlways: false, notNull: false }] };
const IN_USE = new PghaulError("TARGET_QUERY", "public.t is in use by pid 7", { context: { sqlstate: "55P03" } });

interface World {
  readonly asked: string[];
  /** What defining or emptying a table fails with. */
  readonly failures?: Readonly<Record<string, PghaulError>>;
  readonly definition?: Partial<Definition>;
  /** Called while the barrier is waited for. */
  readonly atBarrier?: (world: { asked: string[]; stop: AbortController }) => void;
}

async function watch({ asked, failures = {}, definition = {}, atBarrier }: World) {
  const calls: string[] = [];
  const stop = new AbortController();
  let now = 0;
  const transaction: Partial<TargetTransaction> = {
    empty: async ({ id }) => {
      if (failures[`empty ${id}`] !== undefined) throw failures[`empty ${id}`];
      calls.push(`empty ${id}`);
    },
    forgetTable: async () => {},
  };
  const ports = {
    source: {
      barrier: async (_waiting: unknown, signal: AbortSignal) => {
        atBarrier?.({ asked, stop });
        signal.throwIfAborted();
        calls.push("barrier");
      },
    } as Partial<EnginePorts["source"]>,
    log: { start: () => 5n, passed: () => 100n, streams: () => 1 } as Partial<EnginePorts["log"]>,
    target: { transaction: (_lane: string, work: (open: TargetTransaction) => Promise<unknown>) => work(transaction as TargetTransaction) },
    store: { forgetTable: (id: string) => void calls.push(`forget ${id}`) } as Partial<EnginePorts["store"]>,
    clock: {
      now: () => now,
      sleep: async (millis: number) => {
        now += millis;
        if (asked.length === 0) stop.abort(new Error("nothing left"));
      },
    },
    observer: { waiting: (why: string) => void (calls.at(-1) === why || calls.push(why)) } as Partial<EnginePorts["observer"]>,
    crashPoint: () => {},
  } as unknown as EnginePorts;
  const withReload = { ...ports, reload: (table: Table) => reloadTable(ports, table) };
  const reloads: Reloads = {
    asked: () => [...asked],
    define: async (id) => {
      if (failures[`define ${id}`] !== undefined) throw failures[`define ${id}`];
      return { table: id === T.id ? T : OTHER, redefined: false, at: 50n, ...definition };
    },
    redefine: ({ columns }) => void calls.push(`redefine ${columns.length}`),
    refused: (id, { message }) => {
      calls.push(`refused ${id}: ${message}`);
      asked.splice(asked.indexOf(id), 1);
    },
    visible: (floor) => void calls.push(`visible ${floor}`),
  };
  const ended = await watchReloads(withReload, reloads, stop.signal).then(
    () => null,
    (error: unknown) => error,
  );
  return { calls, ended, now };
}

describe("a wish to load a held table anew", () => {
  it("waits at a barrier, empties the table, and ends the engine's life", async () => {
    const { calls, ended } = await watch({ asked: [T.id] });
    assert.deepEqual(calls, ["barrier", "visible 5", `empty ${T.id}`, `forget ${T.id}`]);
    assert.ok(ended instanceof TablesEmptied && !ended.redefined);
  });

  it("puts other columns on record before the table is emptied", async () => {
    const { calls, ended } = await watch({ asked: [T.id], definition: { table: WIDER, redefined: true } });
    assert.deepEqual(calls, ["barrier", "visible 5", "redefine 4", `empty ${T.id}`, `forget ${T.id}`]);
    assert.ok(ended instanceof TablesEmptied && ended.redefined);
  });

  it("is given back at once where the target has not followed; the others are loaded", async () => {
    const drift = new PghaulError("SCHEMA_DRIFT", "fee is missing");
    const { calls, ended } = await watch({ asked: [T.id, OTHER.id], failures: { [`define ${T.id}`]: drift } });
    assert.deepEqual(calls, [`refused ${T.id}: fee is missing`, "barrier", "visible 5", `empty ${OTHER.id}`, `forget ${OTHER.id}`]);
    assert.ok(ended instanceof TablesEmptied);
  });

  it("is given back when the table was in use for half a minute; one barrier does for all attempts", async () => {
    const { calls, ended, now } = await watch({ asked: [T.id], failures: { [`empty ${T.id}`]: IN_USE } });
    assert.deepEqual(calls, ["barrier", "visible 5", `reload: ${IN_USE.message}`, `refused ${T.id}: ${IN_USE.message}`]);
    assert.equal(ended, null);
    assert.ok(now >= 30_000 && now < 40_000, `${now} ms`);
  });

  it("can be withdrawn while the barrier is waited for", async () => {
    const { calls, ended } = await watch({ asked: [T.id], atBarrier: ({ asked }) => asked.pop() });
    assert.deepEqual(calls, ["barrier", "visible 5"]);
    assert.equal(ended, null);
  });

  it("does not keep a stop waiting, and is not given back for it", async () => {
    const { calls, ended } = await watch({ asked: [T.id], atBarrier: ({ stop }) => stop.abort(new Error("stop")) });
    assert.deepEqual(calls, []);
    assert.equal(ended, null);
  });

  it("is not given back for a server that is away: that is tried again with everything else", async () => {
    const lost = new PghaulError("TARGET_LOST", "gone");
    const { calls, ended } = await watch({ asked: [T.id], failures: { [`empty ${T.id}`]: lost } });
    assert.deepEqual(calls, ["barrier", "visible 5"]);
    assert.equal(ended, lost);
  });
});
