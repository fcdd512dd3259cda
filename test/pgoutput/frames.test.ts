import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameBuffer, frameEnd, frameStart } from "../../src/pgoutput/frames.ts";

function messagesOf(frames: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < frames.length; ) {
    const end = frameEnd(frames, at);
    messages.push(frames.toString("latin1", frameStart(at), end));
    at = end;
  }
  return messages;
}

test("messages come back as they went in, however often one takes", () => {
  const message = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(fc.array(message)), (batches) => {
      const buffer = new FrameBuffer();
      for (const batch of batches) {
        for (const one of batch) buffer.append(one, 0, one.length);
        assert.deepEqual(
          messagesOf(buffer.take()),
          batch.map((one) => one.toString("latin1")),
        );
        assert.equal(buffer.length, 0);
      }
    }),
  );
});

test("what is taken is not written over afterwards", () => {
  const buffer = new FrameBuffer();
  buffer.append(Buffer.from("first"), 0, 5);
  const taken = buffer.take();
  buffer.append(Buffer.from("second"), 0, 6);
  assert.deepEqual(messagesOf(taken), ["first"]);
  assert.deepEqual(messagesOf(buffer.take()), ["second"]);
});

test("what is dropped from the front leaves the rest, whatever its size", () => {
  const sizes = fc.integer({ min: 0, max: 3 * 1024 * 1024 });
  fc.assert(
    fc.property(fc.array(sizes, { minLength: 1, maxLength: 5 }), fc.nat(), (lengths, seed) => {
      const buffer = new FrameBuffer();
      const messages = lengths.map((length, place) => Buffer.alloc(length, place + 1));
      const ends = messages.map((message) => {
        buffer.append(message, 0, message.length);
        return buffer.length;
      });
      const dropped = seed % (messages.length + 1);
      const front = dropped === 0 ? 0 : (ends[dropped - 1] as number);
      assert.equal(messagesOf(buffer.peek(front)).length, dropped);
      buffer.drop(front);
      buffer.append(Buffer.from("next"), 0, 4);
      const left = messagesOf(buffer.take());
      assert.deepEqual(
        left.map(({ length }) => length),
        [...lengths.slice(dropped), 4],
      );
      left.slice(0, -1).forEach((text, place) => {
        assert.ok(Buffer.from(text, "latin1").equals(messages[dropped + place] as Buffer));
      });
    }),
    { numRuns: 50 },
  );
});

test("truncate forgets the end only", () => {
  const buffer = new FrameBuffer();
  buffer.append(Buffer.from("kept"), 0, 4);
  const length = buffer.length;
  buffer.append(Buffer.from("gone"), 0, 4);
  buffer.truncate(length);
  buffer.append(Buffer.from("new"), 0, 3);
  assert.deepEqual(messagesOf(buffer.take()), ["kept", "new"]);
});

test("a frame that is cut short is refused", () => {
  const buffer = new FrameBuffer();
  buffer.append(Buffer.from("message"), 0, 7);
  const frames = buffer.take();
  for (let length = 1; length < frames.length; length++) assert.throws(() => frameEnd(frames.subarray(0, length), 0), RangeError);
});
