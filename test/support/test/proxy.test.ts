import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { waitFor } from "../database.ts";
import { type FaultProxy, startProxy } from "../proxy.ts";

/** An echo server behind a proxy. */
async function withProxy(run: (proxy: FaultProxy) => Promise<void>, seed: number = 1): Promise<void> {
  const echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  await using proxy = await startProxy({ to: (echo.address() as AddressInfo).port, seed });
  try {
    await run(proxy);
  } finally {
    echo.close();
  }
}

interface Peer {
  readonly socket: Socket;
  readonly received: () => string;
  readonly closed: Promise<string>;
}

async function dial(proxy: FaultProxy): Promise<Peer> {
  const socket = connect(proxy.port, "127.0.0.1");
  let received = "";
  let how = "end";
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    how = error.code ?? "error";
  });
  // Not once(): it rejects at "error", and breaking is what is watched here.
  const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(how)));
  await Promise.race([new Promise((resolve) => socket.on("connect", resolve)), closed]);
  return { socket, received: () => received, closed };
}

const arrived = (peer: Peer, text: string) => waitFor(() => peer.received() === text, { deadlineMs: 3000, what: `"${text}"` });

test("forwards both ways, and more than a buffer", () =>
  withProxy(async (proxy) => {
    const peer = await dial(proxy);
    peer.socket.write("hello");
    await arrived(peer, "hello");
    peer.socket.write("x".repeat(3_000_000));
    peer.socket.end();
    await waitFor(() => peer.received().length === 3_000_005, { deadlineMs: 5000, what: "3 MB" });
    assert.equal(await peer.closed, "end");
    await waitFor(() => proxy.open === 0, { deadlineMs: 3000, what: "the pair to be forgotten" });
    assert.equal(proxy.broken, 0);
  }));

test("cut ends, reset resets, and new connections are served", () =>
  withProxy(async (proxy) => {
    const [one, two] = [await dial(proxy), await dial(proxy)];
    await waitFor(() => proxy.open === 2, { deadlineMs: 3000, what: "two pairs" });
    proxy.cut();
    assert.deepEqual(await Promise.all([one.closed, two.closed]), ["end", "end"]);
    const three = await dial(proxy);
    await waitFor(() => proxy.open === 1, { deadlineMs: 3000, what: "a pair" });
    proxy.resetAll();
    assert.equal(await three.closed, "ECONNRESET");
    const four = await dial(proxy);
    four.socket.write("alive");
    await arrived(four, "alive");
    assert.equal(proxy.broken, 3);
    four.socket.destroy();
  }));

test("a paused network delivers nothing, then everything", () =>
  withProxy(async (proxy) => {
    const peer = await dial(proxy);
    peer.socket.write("a");
    await arrived(peer, "a");
    proxy.pause();
    peer.socket.write("b");
    const late = await dial(proxy);
    late.socket.write("c");
    // Nothing can be waited for here but time: silence is what is claimed.
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(peer.received(), "a");
    assert.equal(late.received(), "");
    proxy.resume();
    await arrived(peer, "ab");
    await arrived(late, "c");
    for (const { socket } of [peer, late]) socket.destroy();
  }));

test("refusing keeps open connections and turns away new ones", () =>
  withProxy(async (proxy) => {
    const open = await dial(proxy);
    open.socket.write("1");
    await arrived(open, "1");
    await proxy.refuse(true);
    assert.equal(await (await dial(proxy)).closed, "ECONNREFUSED");
    open.socket.write("2");
    await arrived(open, "12");
    await proxy.refuse(false);
    const again = await dial(proxy);
    again.socket.write("3");
    await arrived(again, "3");
    for (const { socket } of [open, again]) socket.destroy();
  }));

test("the seed decides after how many bytes a connection breaks", async () => {
  const lengths = async (seed: number) => {
    const seen: number[] = [];
    await withProxy(async (proxy) => {
      proxy.cutRandomly({ minBytes: 10, maxBytes: 5000 });
      for (let index = 0; index < 3; index += 1) {
        const peer = await dial(proxy);
        peer.socket.write("x".repeat(6000));
        await peer.closed;
        seen.push(proxy.forwarded);
      }
      proxy.cutRandomly(null);
      const whole = await dial(proxy);
      whole.socket.write("y".repeat(6000));
      await waitFor(() => whole.received().length === 6000, { deadlineMs: 3000, what: "an unbroken connection" });
      whole.socket.destroy();
    }, seed);
    return seen;
  };
  const first = await lengths(1);
  assert.deepEqual(await lengths(1), first);
  assert.notDeepEqual(await lengths(2), first);
  assert.ok(first.every((bytes, index) => bytes - (first[index - 1] ?? 0) >= 10 && bytes - (first[index - 1] ?? 0) <= 5000));
});

test("slow holds back what the server sends, in order and whole", () =>
  withProxy(async (proxy) => {
    proxy.slow(100_000);
    const peer = await dial(proxy);
    const began = performance.now();
    peer.socket.write("x".repeat(60_000));
    peer.socket.write("end");
    await waitFor(() => peer.received().length === 60_003, { deadlineMs: 10_000, what: "60 kB" });
    assert.ok(peer.received().endsWith("xend"));
    peer.socket.write("after");
    await waitFor(() => peer.received().endsWith("after"), { deadlineMs: 10_000, what: "what came after" });
    assert.ok(performance.now() - began > 500, "60 kB at 100 kB a second");
    proxy.slow(null);
  }));
