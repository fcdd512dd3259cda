/**
 * A database of the simulated switch. What a session has sent is a statement in the server's hands: it takes effect later, or waits for a
 * lock, whether or not the process that sent it still lives, unless somebody ends the session first.
 */
import type { CutoverSide, FenceFact, FenceState } from "../../../src/cutover/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import { otherSide, type SideName } from "../../../src/model/side.ts";
import type { Life } from "../crash.ts";
import type { Random } from "../random.ts";

/** What the application wrote here, or what one of our appliers brought. */
interface Entry {
  readonly id: string;
  readonly kind: "row" | "marker";
  readonly isOurs: boolean;
}

interface Statement {
  readonly session: object;
  readonly what: string;
  /** Waits for each earlier writer to end. */
  readonly needsLock: boolean;
  readonly run: () => unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface ServerWatch {
  /** Hears of every change of a server, behind it. */
  changed(what: string): void;
}

export class SimServer {
  readonly name: SideName;
  readonly log: Entry[] = [];
  readonly rows = new Set<string>();
  readonly markers = new Set<string>();
  /** Transactions of the application that have written and not yet ended. */
  openWriters = 0;
  /** It answers nothing, and does nothing. */
  frozen = false;
  /** It refuses connections, and has ended all sessions. */
  away = false;
  wasGuarded = false;
  readonly #watch: ServerWatch;
  #closed: string[] = [];
  #fences = 0;
  #statements: Statement[] = [];
  readonly #sessions = new Set<object>();
  #driver: object | null = null;

  constructor(name: SideName, watch: ServerWatch) {
    this.name = name;
    this.#watch = watch;
  }

  get takesWrites(): boolean {
    return this.#closing().length === 0;
  }

  /** A writer queues behind a lock that is waited for. */
  get locksWanted(): boolean {
    return this.#statements.some(({ needsLock }) => needsLock);
  }

  weight(): number {
    return this.frozen || this.away ? 0 : this.#ready().length * 3;
  }

  move(random: Random): void {
    const statement = random.pick(this.#ready());
    this.#statements = this.#statements.filter((other) => other !== statement);
    const answer = statement.run();
    this.#watch.changed(`${this.name} ${statement.what}`);
    statement.resolve(answer);
  }

  /** The application's commit, or our applier's of what it wrote at the other side. */
  write(id: string, isOurs: boolean): void {
    this.rows.add(id);
    this.log.push({ id, kind: "row", isOurs });
  }

  mark(id: string, isOurs: boolean): void {
    if (this.markers.has(id)) return;
    this.markers.add(id);
    this.log.push({ id, kind: "marker", isOurs });
  }

  send(statement: Statement): void {
    this.#statements.push(statement);
  }

  /** The server ends a statement at its own deadline, or with its session. */
  drop(statement: Statement, error: unknown): void {
    if (!this.#statements.includes(statement)) return;
    this.#statements = this.#statements.filter((other) => other !== statement);
    statement.reject(error);
  }

  /** Ends the session that drove this side before; what it had sent takes effect no more. */
  endOthers(session: object): void {
    const earlier = this.#driver;
    this.#driver = session;
    if (earlier === null || earlier === session) return;
    this.#sessions.delete(earlier);
    for (const statement of this.#statements.filter((other) => other.session === earlier)) this.drop(statement, lost(this.name));
  }

  crash(): void {
    this.away = true;
    this.#driver = null;
    this.#sessions.clear();
    for (const statement of [...this.#statements]) this.drop(statement, lost(this.name));
    this.openWriters = 0;
  }

  connect(): object {
    const session = {};
    this.#sessions.add(session);
    return session;
  }

  isAlive(session: object): boolean {
    return this.#sessions.has(session);
  }

  close(): void {
    if (this.takesWrites) this.#closed.push(`fence-${++this.#fences}`);
    this.wasGuarded = true;
  }

  closing(): readonly string[] {
    return this.#closing();
  }

  open(fences: readonly string[]): void {
    for (const fence of fences) this.markers.add(`open ${fence}`);
  }

  /** The first statement of each session that need not wait for a lock. */
  #ready(): readonly Statement[] {
    const first = new Map<object, Statement>();
    for (const statement of this.#statements) if (!first.has(statement.session)) first.set(statement.session, statement);
    return [...first.values()].filter(({ needsLock }) => !needsLock || this.openWriters === 0);
  }

  #closing(): readonly string[] {
    return this.#closed.filter((fence) => !this.markers.has(`open ${fence}`));
  }
}

function lost(side: SideName): PghaulError {
  return new PghaulError(side === "source" ? "SOURCE_LOST" : "TARGET_LOST", `the ${side} ended the session`);
}

const CALM_MILLIS = 3_000;

/** The side as one process drives it. */
export class SimSide implements CutoverSide {
  readonly name: SideName;
  readonly #server: SimServer;
  readonly #life: Life;
  #session: object | null = null;
  #mustDrive = false;

  constructor(server: SimServer, life: Life) {
    this.name = server.name;
    this.#server = server;
    this.#life = life;
  }

  async takeOver(limitMillis: number): Promise<void> {
    if (this.#session !== null && (await this.#ask("ping", limitMillis, () => true).catch(() => false))) return;
    this.#mustDrive = true;
    const session = await this.#connect();
    await this.#ask("take over", limitMillis, () => this.#server.endOthers(session));
  }

  async fence(marker: string, lockMillis: number): Promise<FenceFact> {
    await this.#ask("look at fences", lockMillis, () => undefined);
    const lsn = await this.#ask(
      "fence",
      lockMillis,
      () => {
        this.#server.close();
        this.#server.mark(marker, true);
        return BigInt(this.#server.log.length);
      },
      lockMillis,
    );
    return { lsn, sequences: [], millis: 0 };
  }

  async guard(): Promise<void> {
    await this.#ask("guard", CALM_MILLIS, () => this.#server.close(), CALM_MILLIS / 2);
  }

  async open(marker: string, limitMillis: number): Promise<void> {
    const closing = await this.#ask("look at fences", limitMillis, () => this.#server.closing());
    await this.#ask("open", limitMillis, () => {
      this.#server.open(closing);
      this.#server.mark(marker, true);
    });
  }

  async tidy(): Promise<number> {
    return await this.#ask("tidy", CALM_MILLIS, () => 0);
  }

  async fenceState(): Promise<FenceState> {
    return await this.#ask("fence state", CALM_MILLIS, () => (this.#server.takesWrites ? "none" : "whole"));
  }

  async writeMarker(id: string): Promise<void> {
    await this.#ask("marker", CALM_MILLIS, () => this.#server.mark(id, true));
  }

  async sawMarker(id: string): Promise<boolean> {
    return await this.#ask("saw marker", CALM_MILLIS, () => this.#server.markers.has(id));
  }

  async takeSequences(): Promise<void> {
    await this.#ask("sequences", CALM_MILLIS, () => undefined);
  }

  async probeWrites(): Promise<readonly string[]> {
    return await this.#ask("probe", CALM_MILLIS, () => (this.#server.takesWrites ? ["t"] : []));
  }

  async #connect(): Promise<object> {
    await this.#life.turn(`connect ${this.name}`);
    if (this.#server.away) throw new PghaulError(this.name === "source" ? "SOURCE_UNREACHABLE" : "TARGET_UNREACHABLE", "away");
    this.#session = this.#server.connect();
    return this.#session;
  }

  /** Sends a statement and waits for its answer; a session that gives none in time is given up, its statement is not. */
  async #ask<T>(what: string, limitMillis: number, run: () => T, lockMillis?: number): Promise<T> {
    await this.#life.turn(`${this.name} ${what}`);
    // As the driver's session: one that only looks is opened when it is needed, one that drives must be taken over again.
    const session = this.#session ?? (this.#mustDrive ? null : await this.#connect());
    if (session === null || !this.#server.isAlive(session)) {
      this.#session = null;
      throw lost(this.name);
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const statement: Statement = { session, what, needsLock: lockMillis !== undefined, run, resolve, reject };
    this.#server.send(statement);
    const timers = new AbortController();
    const after = (millis: number, late: () => void): void => void this.#life.sleep(millis, timers.signal).then(late, () => undefined);
    after(limitMillis + 5, () => reject(new PghaulError("CUTOVER_DEADLINE", `the ${this.name} did not answer`)));
    // The server's own deadline; one that has frozen keeps none.
    if (lockMillis !== undefined) {
      after(lockMillis, () => {
        if (!this.#server.frozen) this.#server.drop(statement, new PghaulError("CUTOVER_DEADLINE", "no lock in time"));
      });
    }
    try {
      const answer = (await promise) as T;
      await this.#life.turn(`${this.name} answers ${what}`);
      return answer;
    } catch (error) {
      if (!(error instanceof PghaulError && error.message === "no lock in time")) this.#session = null;
      throw error;
    } finally {
      timers.abort();
    }
  }
}

/** One direction of the stream, which a living `run` moves entry by entry. */
export class SimStream {
  readonly #from: SimServer;
  readonly #to: SimServer;
  #next = 0;

  constructor(from: SimServer, to: SimServer) {
    this.#from = from;
    this.#to = to;
  }

  get caughtUp(): boolean {
    return this.#next === this.#from.log.length;
  }

  canMove(): boolean {
    return !this.caughtUp && ![this.#from, this.#to].some(({ frozen, away }) => frozen || away);
  }

  move(): void {
    const entry = this.#from.log[this.#next++];
    if (entry === undefined) return;
    // What our appliers wrote came from the other side. A marker is written by a session of ours that is no applier, and travels.
    if (entry.kind === "marker") this.#to.markers.add(entry.id);
    else if (!entry.isOurs) this.#to.write(entry.id, true);
  }

  get name(): string {
    return `${this.#from.name} to ${otherSide(this.#from.name)}`;
  }
}
