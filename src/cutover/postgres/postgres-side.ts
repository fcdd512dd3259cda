import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { parseLsn } from "../../model/lsn.ts";
import type { SideName } from "../../model/side.ts";
import { qualifiedName } from "../../postgres/quote.ts";
import { asPghaulError, sqlState } from "../../postgres/wrap-error.ts";
import type { CutoverSide, FenceFact, FenceState, SequenceValue } from "../ports.ts";
import { blockersSql, fenceFunctionSql, fenceSql, fenceTrigger, guardSql, openSql, tidySql } from "./fence-queries.ts";
import { sequencesSql, takeSequencesSql, type UnusedSequence, unusedSequencesSql } from "./sequence-queries.ts";
import { readAllRelations, readRelations, type SideRelation, type TableName } from "./side-relations.ts";

export interface PostgresSideOptions {
  readonly name: SideName;
  /** As the tables' owner, opened before the switch; every query has been run once by `warmUp`. */
  readonly client: pg.Client;
  /** The moved tables, without our own. Their partitions are looked up whenever they matter: one may be made at any time. */
  readonly tables: readonly TableName[];
  readonly applierToken: string;
  readonly now: () => number;
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

/** A guarded table is held by our applier at most, for the length of a batch. */
const GUARD_LOCK_MILLIS = 5_000;

/** A CutoverSide over one plain connection. */
export class PostgresSide implements CutoverSide {
  readonly name: SideName;
  readonly #client: pg.Client;
  readonly #tables: readonly TableName[];
  readonly #token: string;
  readonly #now: () => number;
  #impatient = false;
  #unused: readonly UnusedSequence[] = [];

  constructor({ name, client, tables, applierToken, now }: PostgresSideOptions) {
    this.name = name;
    this.#client = client;
    this.#tables = tables;
    this.#token = applierToken;
    this.#now = now;
  }

  /** Installs the refusing function and fills the session's caches, so that the pause pays for neither. */
  async warmUp(): Promise<void> {
    await this.#told(async () => {
      await this.#installFunction();
      this.#impatient = await this.#maySetDeadlockTimeout();
      this.#unused = (await this.#client.query<UnusedSequence>(unusedSequencesSql())).rows;
      await this.#client.query(sequencesSql(this.#unused));
      await this.#client.query(takeSequencesSql(), [[], [], [], "0"]);
      await this.#relations();
      await this.sawMarker("");
    });
  }

  async fence(marker: string, lockMillis: number): Promise<FenceFact> {
    const began = this.#now();
    const relations = (await this.#relations()).filter(({ fenced }) => !fenced);
    for (let slice = FIRST_SLICE_MILLIS; ; slice *= 2) {
      const left = lockMillis - (this.#now() - began);
      try {
        return { ...(await this.#fenceOnce(relations, marker, Math.min(slice, left))), millis: this.#now() - began };
      } catch (error) {
        await this.#client.query("rollback").catch(() => undefined);
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

  async open(marker: string): Promise<void> {
    const closed = new Set((await this.#whatIsThere()).flatMap((relation) => relation.closing));
    await this.#told(() => this.#client.query(openSql([...closed], marker)));
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
    await this.#told(() => this.#client.query("insert into pghaul.marker (id) values ($1) on conflict (id) do nothing", [id]));
  }

  async sawMarker(id: string): Promise<boolean> {
    const { rowCount } = await this.#told(() => this.#client.query("select 1 from pghaul.marker where id = $1", [id]));
    return rowCount === 1;
  }

  async takeSequences(values: readonly SequenceValue[], margin: number): Promise<void> {
    const columns = [values.map(({ schema }) => schema), values.map(({ name }) => name), values.map(({ lastValue }) => lastValue)];
    await this.#told(async () => {
      await this.#client.query("begin; set local synchronous_commit = on");
      try {
        await this.#client.query(takeSequencesSql(), [...columns, String(margin)]);
        // The applier commits asynchronously. A synchronous commit flushes all WAL before it: after this, what was applied survives a crash.
        await this.#client.query("select pg_logical_emit_message(true, 'pghaul', 'durable')");
        await this.#client.query("commit");
      } catch (error) {
        await this.#client.query("rollback").catch(() => undefined);
        throw error;
      }
    });
  }

  async probeWrites(): Promise<readonly string[]> {
    const open: string[] = [];
    for (const { schema, name } of await this.#relations()) if (await this.#takesWrite(schema, name)) open.push(`${schema}.${name}`);
    return open;
  }

  async #takesWrite(schema: string, name: string): Promise<boolean> {
    await this.#client.query("begin; set local lock_timeout = '100ms'");
    try {
      // A statement trigger fires for zero rows too, so the probe touches nothing.
      await this.#client.query(`delete from only ${qualifiedName(schema, name)} where false`);
      return true;
    } catch (error) {
      if (sqlState(error) === "25006") return false;
      throw asPghaulError(error, this.name, { step: "probe", table: `${schema}.${name}` });
    } finally {
      await this.#client.query("rollback").catch(() => undefined);
    }
  }

  async #fenceOnce(relations: readonly SideRelation[], marker: string, lockMillis: number): Promise<Pick<FenceFact, "lsn" | "sequences">> {
    const sql = fenceSql({
      relations,
      trigger: this.#newTrigger(),
      marker,
      lockMillis,
      impatient: this.#impatient,
      sequences: sequencesSql(this.#unused),
    });
    const answers = (await this.#client.query(sql)) as unknown as pg.QueryResult[];
    return {
      lsn: parseLsn(answers.at(-3)?.rows[0]?.lsn as string),
      sequences: (answers.at(-2)?.rows ?? []).map(({ schema, name, last }) => ({ schema, name, lastValue: last })),
    };
  }

  async #guardTable(relation: SideRelation, trigger: string): Promise<void> {
    const began = this.#now();
    for (;;) {
      try {
        await this.#client.query(guardSql(relation, trigger, GUARD_LOCK_MILLIS, this.#impatient));
        return;
      } catch (error) {
        await this.#client.query("rollback").catch(() => undefined);
        if (!TOO_LATE.has(sqlState(error)))
          throw asPghaulError(error, this.name, { step: "guard", table: `${relation.schema}.${relation.name}` });
        if (this.#now() - began > GUARD_LOCK_MILLIS) throw await this.#tooLate([relation], error, GUARD_LOCK_MILLIS);
        await sleep(20);
      }
    }
  }

  /** False when the lock was not to be had at once. */
  async #quickly(sql: string): Promise<boolean> {
    try {
      await this.#client.query(sql);
      return true;
    } catch (error) {
      await this.#client.query("rollback").catch(() => undefined);
      if (TOO_LATE.has(sqlState(error))) return false;
      throw asPghaulError(error, this.name, { step: "tidy" });
    }
  }

  #newTrigger(): string {
    return fenceTrigger({ side: this.name, unique: randomBytes(5).toString("hex") });
  }

  #relations(): Promise<readonly SideRelation[]> {
    return this.#told(() => readAllRelations(this.#client, this.name, this.#tables));
  }

  #whatIsThere(): Promise<readonly SideRelation[]> {
    return this.#told(() => readRelations(this.#client, this.#tables));
  }

  /** Two processes that prepare at the same time both replace the function: "tuple concurrently updated" of one of them is no fault. */
  async #installFunction(): Promise<void> {
    await this.#client.query("begin; select pg_advisory_xact_lock(hashtext('pghaul'))");
    await this.#client.query(fenceFunctionSql(this.#token));
    await this.#client.query("commit");
  }

  /** deadlock_timeout may be set by superusers, or by a role with GRANT SET ON PARAMETER (15+). */
  async #maySetDeadlockTimeout(): Promise<boolean> {
    await this.#client.query("begin");
    try {
      await this.#client.query("set local deadlock_timeout = '10ms'");
      return true;
    } catch {
      return false;
    } finally {
      await this.#client.query("rollback");
    }
  }

  async #tooLate(relations: readonly SideRelation[], error: unknown, lockMillis: number): Promise<PghaulError> {
    const { rows } = await this.#client.query<{ who: string }>(blockersSql(), [relations.map(({ oid }) => oid)]);
    const who = rows.map((row) => row.who).join("; ");
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
