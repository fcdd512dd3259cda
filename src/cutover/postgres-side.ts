import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import { parseLsn } from "../model/lsn.ts";
import type { Table } from "../model/table.ts";
import { qualifiedName } from "../postgres/quote.ts";
import {
  blockersSql,
  type FencedRelation,
  fencedRelationsSql,
  fenceFunctionSql,
  fenceSql,
  takeSequenceSql,
  unfenceSql,
} from "./fence-queries.ts";
import type { CutoverSide, FenceFact, SequenceValue, SideName } from "./ports.ts";

export interface PostgresSideOptions {
  readonly name: SideName;
  /** Opened before the switch; every query has been run once by `warmUp`. */
  readonly client: pg.Client;
  readonly tables: readonly Table[];
  readonly applierToken: string;
  readonly now: () => number;
}

/** A CutoverSide over one plain connection as the tables' owner. */
export class PostgresSide implements CutoverSide {
  readonly name: SideName;
  readonly #client: pg.Client;
  readonly #relations: readonly FencedRelation[];
  readonly #token: string;
  readonly #now: () => number;
  #impatient = false;

  constructor({ name, client, tables, applierToken, now }: PostgresSideOptions) {
    this.name = name;
    this.#client = client;
    this.#token = applierToken;
    this.#now = now;
    // A write straight into a partition passes a trigger on its parent: every leaf bears its own.
    this.#relations = tables.flatMap((table) => relationsOf(table));
  }

  /** Installs the refusing function and fills the session's caches, so that the pause pays for neither. */
  async warmUp(): Promise<void> {
    await this.#client.query(fenceFunctionSql(this.#token));
    await this.#client.query(fencedRelationsSql());
    await this.#client.query("select 1 from pghaul.marker where id = $1", [""]);
    this.#impatient = await this.#maySetDeadlockTimeout();
  }

  async fence(marker: string, lockMillis: number): Promise<FenceFact> {
    const began = this.#now();
    const missing = await this.#unfenced();
    try {
      const answers = (await this.#client.query(fenceSql(missing, marker, lockMillis, this.#impatient))) as unknown as pg.QueryResult[];
      const lsn = answers.at(-1)?.rows[0]?.lsn as string;
      const sequences = (answers.at(-3)?.rows ?? []).map(toSequence);
      return { lsn: parseLsn(lsn), sequences, millis: this.#now() - began };
    } catch (error) {
      await this.#client.query("rollback");
      throw await this.#explain(error, lockMillis);
    }
  }

  async unfence(): Promise<void> {
    const fenced = await this.#fenced();
    if (fenced.length > 0) await this.#client.query(unfenceSql(fenced));
  }

  async fenceState(): Promise<"none" | "partial" | "whole"> {
    const fenced = await this.#fenced();
    if (fenced.length === 0) return "none";
    return fenced.length === this.#relations.length ? "whole" : "partial";
  }

  async writeMarker(id: string): Promise<void> {
    await this.#client.query("insert into pghaul.marker (id) values ($1) on conflict (id) do nothing", [id]);
  }

  async sawMarker(id: string): Promise<boolean> {
    const { rowCount } = await this.#client.query("select 1 from pghaul.marker where id = $1", [id]);
    return rowCount === 1;
  }

  async takeSequences(values: readonly SequenceValue[], margin: number): Promise<void> {
    await this.#client.query("begin");
    try {
      await this.#client.query("set local synchronous_commit = on");
      for (const { schema, name, lastValue } of values)
        await this.#client.query(takeSequenceSql(), [schema, name, lastValue, String(margin)]);
      // The applier commits asynchronously. A synchronous commit flushes all WAL before it: after this, what was applied survives a crash.
      await this.#client.query("select pg_logical_emit_message(true, 'pghaul', 'durable')");
      await this.#client.query("commit");
    } catch (error) {
      await this.#client.query("rollback");
      throw error;
    }
  }

  async probeWrites(): Promise<readonly string[]> {
    const open: string[] = [];
    for (const { schema, name } of this.#relations) {
      await this.#client.query("begin");
      try {
        // A statement trigger fires for zero rows too, so the probe touches nothing.
        await this.#client.query(`delete from only ${qualifiedName(schema, name)} where false`);
        open.push(`${schema}.${name}`);
      } catch (error) {
        if ((error as { code?: string }).code !== "25006") throw error;
      } finally {
        await this.#client.query("rollback");
      }
    }
    return open;
  }

  async #fenced(): Promise<FencedRelation[]> {
    const { rows } = await this.#client.query<{ schema: string; name: string }>(fencedRelationsSql());
    const ours = new Set(this.#relations.map(relationKey));
    return rows.filter((row) => ours.has(relationKey(row)));
  }

  async #unfenced(): Promise<FencedRelation[]> {
    const fenced = new Set((await this.#fenced()).map(relationKey));
    return this.#relations.filter((relation) => !fenced.has(relationKey(relation)));
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

  async #explain(error: unknown, lockMillis: number): Promise<unknown> {
    if ((error as { code?: string }).code !== "55P03") return error;
    const { rows } = await this.#client.query(blockersSql());
    const who = rows.map((row) => `pid ${row.pid} (${row.usename}, ${row.application_name}, ${row.state} for ${row.seconds} s)`).join("; ");
    return new PghaulError("CUTOVER_DEADLINE", `the fence did not get its locks at the ${this.name} within ${lockMillis} ms`, {
      cause: error,
      context: {
        step: "fence",
        blockers: who === "" ? "none seen any more" : who,
      },
      suggestion: "wait for these transactions, or select pg_terminate_backend(PID); then run again",
    });
  }
}

function relationsOf(table: Table): FencedRelation[] {
  const root = { schema: table.schema, name: table.name };
  return [root, ...table.leaves.filter((leaf) => relationKey(leaf) !== relationKey(root)).map(({ schema, name }) => ({ schema, name }))];
}

function relationKey({ schema, name }: FencedRelation): string {
  return JSON.stringify([schema, name]);
}

function toSequence(row: { schema: string; name: string; last_value: string; increment: string }): SequenceValue {
  return {
    schema: row.schema,
    name: row.name,
    lastValue: row.last_value,
    increment: row.increment,
  };
}
