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
  const length = buffer.length;
  buffer.append(Buffer.from("second"), 0, 6);
  const taken = buffer.take(length);
  buffer.append(Buffer.from("third"), 0, 5);
  assert.deepEqual(messagesOf(taken), ["first"]);
  assert.deepEqual(messagesOf(buffer.take()), ["second", "third"]);
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
