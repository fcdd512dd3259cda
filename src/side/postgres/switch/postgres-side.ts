import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { CutoverSide, FenceFact, FenceState, SequenceValue } from "../../../cutover/ports.ts";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { parseLsn } from "../../../model/lsn.ts";
import type { SideName } from "../../../model/side.ts";
import { tableId } from "../../../model/table.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { qualifiedName } from "../../../postgres/quote.ts";
import { asPghaulError, sqlState } from "../../../postgres/wrap-error.ts";
import type { Marker } from "../bookkeeping/marker-table.ts";
import type { DriverSession } from "./driver-session.ts";
import {
  blockersSql,
  type FenceTrigger,
  fenceFunctionSql,
  fenceSql,
  fenceTrigger,
  guardSql,
  markerSql,
  openSql,
  tidySql,
} from "./fence-queries.ts";
import { sequencesSql, takeSequencesSql, type UnusedSequence, unusedSequencesSql } from "./sequence-queries.ts";
import { type Fenced, readAllRelations, readRelations, type SideRelation, type TableName } from "./side-relations.ts";

export interface PostgresSideOptions {
  readonly name: SideName;
  /** As the tables' owner; every query of the pause has been run once by `warmUp`. */
  readonly session: DriverSession;
  /** The moved tables, without our own. Their partitions are looked up whenever they matter: one may be made at any time. */
  readonly tables: readonly TableName[];
  readonly applierToken: string;
  /** The migration's own table of markers in the schema pghaul, by name. */
  readonly markers: string;
  readonly now: () => number;
  /** Moments inside the acts, for crash tests: a statement is on its way, or was answered and nobody has written it down. */
  readonly crashPoint?: (name: string) => void;
}

/** lock_not_available, query_canceled: somebody held a table for too long. deadlock_detected: somebody held one and wanted another. */
const TOO_LATE: ReadonlySet<string | undefined> = new Set(["55P03", "57014", "40P01"]);

/**
 * The locks are asked for several times within their deadline, longer each time: a writer that waits for a table of ours while we wait for
 * one of his sees the deadlock after a second only (deadlock_timeout), and then it is he who is ended.
 */
const FIRST_SLICE_MILLIS = 50;
/** Less than this is not worth another try. */
const SPARE_MILLIS = 15;

/** A server that has ended a statement at its own deadline says so within it; one that does not has frozen. */
const ANSWER_MILLIS = 250;

/** A guarded table is held by our applier at most, for the length of a batch. */
const GUARD_LOCK_MILLIS = 5_000;

/** A CutoverSide over PostgreSQL. */
export class PostgresSide implements CutoverSide {
  readonly name: SideName;
  readonly #session: DriverSession;
  readonly #fenced: Fenced;
  readonly #markers: string;
  readonly #now: () => number;
  readonly #crashPoint: (name: string) => void;
  #impatient = false;
  #unused: readonly UnusedSequence[] = [];

  constructor({ name, session, tables, applierToken, markers, now, crashPoint = () => {} }: PostgresSideOptions) {
    this.name = name;
    this.#session = session;
    this.#fenced = { tables, token: applierToken };
    this.#markers = qualifiedName("pghaul", markers);
    this.#now = now;
    this.#crashPoint = crashPoint;
  }

  async takeOver(limitMillis: number): Promise<void> {
    await this.#told(() => this.#session.takeOver(limitMillis));
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  /** Installs the refusing function and fills the session's caches, so that the pause pays for neither. */
  async warmUp(): Promise<void> {
    await this.#told(async () => {
      await this.#installFunction();
      this.#impatient = await this.#maySetDeadlockTimeout();
      this.#unused = (await this.#session.query<UnusedSequence>(unusedSequencesSql())).rows;
      await this.#session.query(sequencesSql(this.#unused));
      await this.#session.query(takeSequencesSql(), [[], [], [], "0"]);
      await this.#relations();
      await this.sawMarker("");
    });
  }

  async fence(marker: string, lockMillis: number): Promise<FenceFact> {
    const began = this.#now();
    const relations = (await this.#relations(lockMillis)).filter(({ fenced }) => !fenced);
    for (let slice = FIRST_SLICE_MILLIS; ; slice *= 2) {
      const left = lockMillis - (this.#now() - began);
      try {
        return {
          ...(await this.#fenceOnce(relations, marker, { lockMillis: Math.min(slice, left), limitMillis: left + ANSWER_MILLIS })),
          millis: this.#now() - began,
        };
      } catch (error) {
        await this.#rollback();
        if (!TOO_LATE.has(sqlState(error))) throw asPghaulError(error, this.name, { step: "fence" });
        if (this.#now() - began >= lockMillis - SPARE_MILLIS) throw await this.#tooLate(relations, error, lockMillis);
      }
    }
  }

  async guard(): Promise<void> {
    const trigger = this.#newTrigger();
    for (const relation of await this.#relations()) {
      for (const stale of relation.passing) await this.#quickly(tidySql(relation, stale, "drop"));
      if (!relation.fenced) await this.#guardTable(relation, trigger);
    }
  }

  async open(marker: string, limitMillis: number): Promise<void> {
    const until = this.#now() + limitMillis;
    const there = await this.#told(() => readRelations(this.#limited(limitMillis), this.#fenced));
    const closed = new Set(there.flatMap((relation) => relation.closing));
    const left = Math.max(1, until - this.#now());
    const sent = (): void => this.#crashPoint("cutover-open-sent");
    await this.#told(() => this.#session.query(openSql([...closed], this.#marker(marker), left), undefined, left + ANSWER_MILLIS, sent));
  }

  async tidy(): Promise<number> {
    let left = 0;
    for (const relation of await this.#whatIsThere()) {
      for (const trigger of relation.enabledPassing) if (!(await this.#quickly(tidySql(relation, trigger, "disable")))) left += 1;
    }
    return left;
  }

  async fenceState(): Promise<FenceState> {
    const relations = await this.#relations();
    const fenced = relations.filter((relation) => relation.fenced).length;
    if (fenced === 0) return "none";
    return fenced === relations.length ? "whole" : "partial";
  }

  async writeMarker(id: string): Promise<void> {
    await this.#told(() => this.#session.query(markerSql(this.#marker(id))));
  }

  async sawMarker(id: string): Promise<boolean> {
    const { rowCount } = await this.#told(() => this.#session.query(`select 1 from ${this.#markers} where id = $1`, [id]));
    return rowCount === 1;
  }

  async takeSequences(values: readonly SequenceValue[], margin: number): Promise<void> {
    const columns = [values.map(({ schema }) => schema), values.map(({ name }) => name), values.map(({ lastValue }) => lastValue)];
    await this.#told(async () => {
      await this.#session.query("begin; set local synchronous_commit = on");
      try {
        await this.#session.query(takeSequencesSql(), [...columns, String(margin)]);
        // The applier commits asynchronously. A synchronous commit flushes all WAL before it: after this, what was applied survives a crash.
        await this.#session.query("select pg_logical_emit_message(true, 'pghaul', 'durable')");
        await this.#session.query("commit");
      } catch (error) {
        await this.#rollback();
        throw error;
      }
    });
  }

  async probeWrites(): Promise<readonly string[]> {
    const open: string[] = [];
    for (const relation of await this.#relations()) {
      if (!relation.intact || (await this.#takesWrite(relation))) open.push(tableId(relation));
    }
    return open;
  }

  /**
   * COPY without a row: no rule rewrites it (manual: "COPY", notes), and a statement trigger fires for zero rows too. Where anything but our
   * fence refuses it (a right, row security, a trigger or lock of somebody's) it tells nothing, and the catalog has the word.
   */
  async #takesWrite({ schema, name }: SideRelation): Promise<boolean> {
    await this.#session.query("begin; set local lock_timeout = '100ms'");
    try {
      await this.#session.copyNothing(`copy ${qualifiedName(schema, name)} from stdin`);
      return true;
    } catch (error) {
      if (sqlState(error) === undefined) throw asPghaulError(error, this.name, { step: "probe", table: tableId({ schema, name }) });
      return false;
    } finally {
      await this.#rollback();
    }
  }

  async #fenceOnce(
    relations: readonly SideRelation[],
    marker: string,
    { lockMillis, limitMillis }: { readonly lockMillis: number; readonly limitMillis: number },
  ): Promise<Pick<FenceFact, "lsn" | "sequences">> {
    const sql = fenceSql({
      relations,
      trigger: this.#newTrigger(),
      marker: this.#marker(marker),
      lockMillis,
      impatient: this.#impatient,
      sequences: sequencesSql(this.#unused),
    });
    const sent = (): void => this.#crashPoint("cutover-fence-sent");
    const answers = (await this.#session.query(sql, undefined, limitMillis, sent)) as unknown as pg.QueryResult[];
    this.#crashPoint("cutover-fence-answered");
    return {
      lsn: parseLsn(answers.at(-3)?.rows[0]?.lsn as string),
      sequences: (answers.at(-2)?.rows ?? []).map(({ schema, name, last }) => ({ schema, name, lastValue: last })),
    };
  }

  async #guardTable(relation: SideRelation, trigger: FenceTrigger): Promise<void> {
    const began = this.#now();
    for (;;) {
      try {
        const sent = (): void => this.#crashPoint("cutover-guard-sent");
        await this.#session.query(guardSql(relation, trigger, GUARD_LOCK_MILLIS, this.#impatient), undefined, undefined, sent);
        this.#crashPoint("cutover-guard-answered");
        return;
      } catch (error) {
        await this.#rollback();
        if (!TOO_LATE.has(sqlState(error))) throw asPghaulError(error, this.name, { step: "guard", table: tableId(relation) });
        if (this.#now() - began > GUARD_LOCK_MILLIS) throw await this.#tooLate([relation], error, GUARD_LOCK_MILLIS);
        await sleep(20);
      }
    }
  }

  /** False when the lock was not to be had at once. */
  async #quickly(sql: string): Promise<boolean> {
    try {
      await this.#session.query(sql);
      return true;
    } catch (error) {
      await this.#rollback();
      if (TOO_LATE.has(sqlState(error))) return false;
      throw asPghaulError(error, this.name, { step: "tidy" });
    }
  }

  #marker(id: string): Marker {
    return { table: this.#markers, id };
  }

  #newTrigger(): FenceTrigger {
    return { name: fenceTrigger({ side: this.name, unique: randomBytes(5).toString("hex") }), token: this.#fenced.token };
  }

  #relations(limitMillis?: number): Promise<readonly SideRelation[]> {
    return this.#told(() => readAllRelations(this.#limited(limitMillis), this.name, this.#fenced));
  }

  #limited(limitMillis: number | undefined): Queryable {
    return { query: (text, values) => this.#session.query(text, values, limitMillis) };
  }

  async #rollback(): Promise<void> {
    await this.#session.query("rollback", undefined, ANSWER_MILLIS).catch(() => undefined);
  }

  #whatIsThere(): Promise<readonly SideRelation[]> {
    return this.#told(() => readRelations(this.#session, this.#fenced));
  }

  /** Two processes that prepare at the same time both replace the function: "tuple concurrently updated" of one of them is no fault. */
  async #installFunction(): Promise<void> {
    await this.#session.query("begin; select pg_advisory_xact_lock(hashtext('pghaul'))");
    await this.#session.query(fenceFunctionSql());
    await this.#session.query("commit");
  }

  /** deadlock_timeout may be set by superusers, or by a role with GRANT SET ON PARAMETER (15+). */
  async #maySetDeadlockTimeout(): Promise<boolean> {
    await this.#session.query("begin");
    try {
      await this.#session.query("set local deadlock_timeout = '10ms'");
      return true;
    } catch {
      return false;
    } finally {
      await this.#session.query("rollback");
    }
  }

  async #tooLate(relations: readonly SideRelation[], error: unknown, lockMillis: number): Promise<PghaulError> {
    const who = await this.#session.query<{ who: string }>(blockersSql(), [relations.map(({ oid }) => oid)], ANSWER_MILLIS).then(
      ({ rows }) => rows.map((row) => row.who).join("; "),
      () => "the server did not say",
    );
    return new PghaulError("CUTOVER_DEADLINE", `the fence did not get its locks at the ${this.name} within ${Math.round(lockMillis)} ms`, {
      cause: asPghaulError(error, this.name),
      context: { step: "fence", blockers: who === "" ? "none seen any more" : who },
      suggestion: "wait for these transactions, or select pg_terminate_backend(PID); then run again",
    });
  }

  /** Runs `work`; what the server refuses gets this side's name. */
  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asPghaulError(error, this.name);
    }
  }
}
