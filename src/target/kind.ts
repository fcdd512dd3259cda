/**
 * What a kind of target is to the rest of pghaul. A kind is a folder below `target/` that exports one `TargetKind`, its keys in
 * `config/targets/`, and a line in each of two lists (docs/adr/0010); nothing else knows it. Plans, steps and refusals are made from its
 * capabilities and from what it has, never from its name.
 */

import type { BetweenFacts } from "../conditions/between-facts.ts";
import type { SideFacts } from "../conditions/side-facts.ts";
import type { CutoverSide } from "../cutover/ports.ts";
import type { ChunkRows, CrashPoints } from "../engine/ports.ts";
import type { AccessScope } from "../model/access-scope.ts";
import type { CheckResult } from "../model/check-result.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import type { ProgressBus } from "../observe/events.ts";
import type { Ask } from "../side/postgres/catalog/ask.ts";
import type { PostgresServer } from "../side/postgres/server.ts";
import type { StartWait, VerifyReplica } from "../verify/ports.ts";
import type { Restorable } from "./restorable.ts";
import type { EngineTarget } from "./target.ts";

/** What a target can do, and so what a plan has steps for. */
export interface Capabilities {
  /** `rows`: it answers at once what it holds (`Target`). `versions`: it takes batches and settles later (`VersionTarget`). */
  readonly takes: "rows" | "versions";
  /** Where its tables come from: moved from the source's schema, there already, or described in the target's own form as they are loaded. */
  readonly schema: "moved" | "existing" | "described";
  /** It compares keys as the source does, so that verification can go by ranges of them. */
  readonly keyOrder: boolean;
  /** What of owners and grants is to be as at the source. */
  readonly keeps: AccessScope;
}

/** What a kind is opened with. */
export interface TargetContext {
  readonly migration: string;
  readonly source: PostgresServer;
  /** For what the kind keeps on this machine, in a folder of its own. */
  readonly stateDirectory: string;
  /** What the names of our replication origins begin with. */
  readonly originPrefix: string;
  /** What our appliers show to a fence. */
  readonly applierToken: string;
  /** The migration's own table of markers in the schema pghaul, by name. */
  readonly markers: string;
}

/** One kind; `Keys` is what the configuration says of such a target. */
export interface TargetKind<Keys> {
  /** Talks to nobody yet. */
  open(context: TargetContext, keys: Keys): TargetSide;
  /** Whether its targets can become the primary: then they have `switching`. Known without opening one, for whoever has no secrets. */
  readonly switches: boolean;
  /**
   * Opens what a target of this kind wrote, to restore a database from it; null for a kind that nothing is restored from. Throws TARGET_FOREIGN
   * where this kind wrote nothing.
   */
  readonly restorable: ((location: string) => Promise<Restorable>) | null;
}

/**
 * One of the databases that a stream writes to: each has an engine and a position of its own, over one log. A target that is one database has
 * one.
 */
export interface Destination {
  /** Under which the state keeps its rows; for good. */
  readonly name: string;
  /** Which rows of the tables it takes. */
  readonly rows: "all";
  /** Opens it for one life of the engine. */
  openEngine(options: EngineOptions): Promise<EngineTarget>;
}

/** What a stream writes to. */
export interface Downstream {
  /** At least one; always the same. */
  readonly destinations: readonly Destination[];
  /** By what its tables do not fit these, a sentence each; empty when they do. */
  differences(tables: readonly Table[]): Promise<readonly string[]>;
  /** What gives a table of its own the columns that this one has at the other side. */
  statementsToFollow(table: Table): Promise<StatementsToFollow>;
  /** As verification reads it. */
  replica(options: ReplicaOptions): VerifyReplica;
}

export interface TargetIdentity {
  /** System identifier of the cluster out of which the way back streams; empty where there is no way back. */
  readonly cluster: string;
  /** By name of the fact: claimed in the state, so that a migration never goes on into another target. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface StatementsToFollow {
  readonly statements: readonly string[];
  /** What has to be looked at before they are run. */
  readonly remark: string;
}

/** A migration's target. */
export interface TargetSide extends Downstream {
  readonly capabilities: Capabilities;
  /** Where it is, for plans, digests and messages; without secrets. */
  readonly description: string;
  /** The server that the prechecks ask beside the source; null where there is none, and what asks for it is left out. */
  readonly checkedServer: PostgresServer | null;
  /** Looks whether it can be had, as a run would; changes nothing. Throws TARGET_*, CONFIG_INVALID. */
  reach(): Promise<void>;
  /** Who it is. Throws CONFIG_INVALID where it is the source, whose cluster is `sourceCluster`. */
  identity(sourceCluster: string, signal: AbortSignal): Promise<TargetIdentity>;
  /** Makes what the target's own bookkeeping needs. Repeatable. */
  prepare(signal: AbortSignal): Promise<void>;
  /** Takes the tables, by id, for this migration. Repeatable. Throws TABLE_CLAIMED where another has them. */
  claim(tables: readonly string[]): Promise<void>;
  /** The schema's part of a run. */
  openSchema(request: SchemaRequest): Promise<SchemaWork>;
  /** What can be said of it before anything is moved, beside what a PostgreSQL server is asked. Changes nothing. */
  check(): Promise<readonly CheckResult[]>;
  /** Programs that it needs on this machine, for a source of this major version, in words. Throws TOOL_MISSING. */
  tools(sourceMajor: number): Promise<string>;
  /** Milliseconds that these rows take to be written, in a place that is taken away again; null where it cannot be asked. */
  sampleWrite(table: Table, rows: ChunkRows): Promise<number | null>;
  /** How that is measured, a sentence of the forecast. */
  readonly sampledBy: string;
  /** The tables as they are compared: with what both sides compute, where this one computes anything. */
  compared(tables: readonly Table[]): Promise<readonly Table[]>;
  /** The stream out of this target into the source; null where there is none. */
  readonly wayBack: WayBack | null;
  /** How it becomes the primary; null where it cannot. */
  readonly switching: Switching | null;
  /** The end of the migration here. */
  readonly teardown: Teardown;
}

/** What `cdc teardown` does at a side, beside the slots and publications of the streams. */
export interface Teardown {
  /** As the operator reviews it, a line each. */
  readonly lines: readonly string[];
  /** Repeatable. What is not there is no error. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a switch of the traffic asks of a side that can be the primary. */
export interface Switching {
  /** The side as the steps drive it; a session is opened when it is first needed. */
  openSide(options: SwitchOptions): SwitchSide;
  /** What gates ask of it, through a session that is in no transaction. */
  facts(ask: Ask): SideFacts;
  /** What gates ask of both: how `to` falls short of `from`, one of which is this side. */
  between(from: Ask, to: Ask): BetweenFacts;
}

export interface SwitchOptions {
  /** The moved tables, without our own. */
  readonly tables: readonly Table[];
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  readonly crashPoint: CrashPoints;
}

/** A side of the switch, with what stands around its steps. */
export interface SwitchSide extends CutoverSide {
  /** Makes it ready to be fenced: a function in our schema, and warm caches. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

/** The source as the target of the stream out of this one. */
export interface WayBack extends Downstream {
  /** What the stream is read out of: the target. */
  readonly upstream: PostgresServer;
  /** The source's side knows where the stream begins. */
  hasBegun(): Promise<boolean>;
  /** All tables are part of the stream from `start` on. Done once: progress that is there is never reset. */
  begin(tables: readonly Table[], start: Lsn): Promise<void>;
}

export interface EngineOptions {
  /** Transactions of the load that may run at once. */
  readonly loadLanes: number;
  readonly crashPoint: CrashPoints;
  readonly signal: AbortSignal;
}

export interface ReplicaOptions {
  readonly sleep: (millis: number, signal: AbortSignal) => Promise<void>;
  readonly startWait: StartWait;
}

/** What the run remembers for the schema's work; durable. */
export interface SchemaMemory {
  has(milestone: "schema-moved" | "load-finished"): boolean;
  reach(milestone: "schema-moved"): void;
  /** Nobody but us has changed the target since: it has not become the primary. */
  isUntouched(): boolean;
}

export interface SchemaRequest {
  readonly tables: readonly Table[];
  readonly memory: SchemaMemory;
  readonly bus: ProgressBus;
  readonly signal: AbortSignal;
}

/** The schema's part of a run, in the order of the load. */
export interface SchemaWork {
  /** Tables and what identifies their rows; then the target is empty and fits, or this throws. */
  prepare(): Promise<void>;
  /** After a table's last chunk: indexes, constraints, statistics. */
  tableLoaded(table: Table): Promise<void>;
  /** What `finish` does, for whoever watches; null where there is nothing to do. */
  readonly finishing: string | null;
  /** After the last table: foreign keys, triggers, sequences. Repeatable: it makes what is missing of it. */
  finish(): Promise<void>;
  /** Whether the target itself remembers that `finish` came to its end: our own memory of it says nothing of a standby that was behind and took over. */
  isFinished(): Promise<boolean>;
}
