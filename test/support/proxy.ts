import { connect, createServer, type Server, type Socket } from "node:net";
import { type Random, seededRandom } from "./random.ts";
import { leasePort, type PortLease } from "./server/ports.ts";

export interface ProxyOptions {
  /** Port on 127.0.0.1 to forward to. */
  readonly to: number;
  readonly seed?: string | number;
}

/** How many bytes, both directions counted, a connection may live for. */
export interface CutAfter {
  readonly minBytes: number;
  readonly maxBytes: number;
}

/** Starts a proxy on a free loopback port, which forwards faithfully until told otherwise. */
export async function startProxy(options: ProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options, await leasePort());
  await proxy.refuse(false);
  return proxy;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  bytesLeft: number;
  /** The rate is used up for now: what the server sends waits. */
  held: boolean;
}

/** A bad network between a client and a server. */
export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  #to: number;
  readonly #lease: PortLease;
  readonly #random: Random;
  readonly #pairs = new Set<Pair>();
  #listener: Server | null = null;
  #paused = false;
  #cutAfter: CutAfter | null = null;
  #bytesPerSecond: number | null = null;
  #accepted = 0;
  #broken = 0;
  #forwarded = 0;

  constructor(options: ProxyOptions, lease: PortLease) {
    this.port = lease.port;
    this.#lease = lease;
    this.#to = options.to;
    this.#random = seededRandom(options.seed ?? 1);
  }

  /** The same URL, led through the proxy. */
  through(url: string): string {
    const parsed = new URL(url);
    parsed.hostname = "127.0.0.1";
    parsed.port = String(this.port);
    return parsed.href;
  }

  /** New connections go to this port; open ones stay where they are. */
  lead(to: number): void {
    this.#to = to;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Connections accepted since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections that the proxy broke. */
  get broken(): number {
    return this.#broken;
  }

  /** Bytes passed on, both directions. */
  get forwarded(): number {
    return this.#forwarded;
  }

  /** Ends every open connection in good order, as a restarting pooler does. New ones are served. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#break(pair, (socket) => socket.destroy());
  }

  /** Breaks every open connection by TCP reset, as a failed firewall or a killed peer does: data on its way is lost. */
  resetAll(): void {
    for (const pair of [...this.#pairs]) this.#break(pair, (socket) => socket.resetAndDestroy());
  }

  /** From now on each connection, open or new, is reset after a number of bytes that the seed decides; null ends it. */
  cutRandomly(after: CutAfter | null): void {
    this.#cutAfter = after;
    for (const pair of this.#pairs) pair.bytesLeft = this.#allowance();
  }

  /** A slow network: each connection, open or new, brings so many bytes a second from the server; null ends it. */
  slow(bytesPerSecond: number | null): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** A silent network: nothing arrives any more, nothing is closed, new connections are accepted and hang. */
  pause(): void {
    this.#paused = true;
    for (const { client, upstream } of this.#pairs) for (const socket of [client, upstream]) socket.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const { client, upstream, held } of this.#pairs) {
      client.resume();
      if (!held) upstream.resume();
    }
  }

  /** True: new connections get "connection refused", open ones go on. */
  async refuse(refused: boolean): Promise<void> {
    if (refused && this.#listener !== null) {
      // close() waits for all connections; listening ends at once, which is all that is wanted.
      this.#listener.close();
      this.#listener = null;
    }
    if (!refused && this.#listener === null) {
      const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#accept(client));
      await new Promise<void>((resolve, reject) => {
        listener.once("error", reject);
        listener.listen(this.port, "127.0.0.1", resolve);
      });
      this.#listener = listener;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse(true);
    this.resetAll();
    this.#lease.release();
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const upstream = connect({ port: this.#to, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const pair: Pair = { client, upstream, bytesLeft: this.#allowance(), held: false };
    this.#pairs.add(pair);
    this.#forward(pair, client, upstream);
    this.#forward(pair, upstream, client);
    if (this.#paused) upstream.pause();
    else client.resume();
  }

  #forward(pair: Pair, from: Socket, to: Socket): void {
    from.on("data", (bytes: Buffer) => {
      const allowed = bytes.subarray(0, Math.max(0, pair.bytesLeft));
      pair.bytesLeft -= bytes.length;
      this.#forwarded += allowed.length;
      const flows = to.write(allowed);
      // The allowed part goes out first: the cut falls inside a message, not between two.
      if (pair.bytesLeft < 0) to.write("", () => this.#break(pair, (socket) => socket.resetAndDestroy()));
      else if (!flows) from.pause();
      if (from === pair.upstream) this.#hold(pair, bytes.length);
    });
    to.on("drain", () => {
      if (!this.#paused && !(from === pair.upstream && pair.held)) from.resume();
    });
    from.on("end", () => to.end());
    from.on("error", () => undefined);
    from.on("close", () => {
      this.#pairs.delete(pair);
      to.destroy();
    });
  }

  #hold(pair: Pair, bytes: number): void {
    if (this.#bytesPerSecond === null) return;
    pair.held = true;
    pair.upstream.pause();
    const release = (): void => {
      pair.held = false;
      if (!this.#paused && !pair.client.writableNeedDrain) pair.upstream.resume();
    };
    setTimeout(release, (1000 * bytes) / this.#bytesPerSecond).unref();
  }

  #break(pair: Pair, how: (socket: Socket) => void): void {
    if (!this.#pairs.delete(pair)) return;
    this.#broken += 1;
    how(pair.client);
    how(pair.upstream);
  }

  #allowance(): number {
    if (this.#cutAfter === null) return Number.POSITIVE_INFINITY;
    return this.#random.integer(this.#cutAfter.minBytes, this.#cutAfter.maxBytes);
  }
}
