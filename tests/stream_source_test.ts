import { assertEquals, assertThrows } from "@std/assert";
import { EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { StreamSource } from "../loop/stream_source.ts";
import { test, turn } from "./support.ts";

const { IN, ERR, RDHUP } = EventMask;

test("StreamSource: chunks one after the other, then the end, for ever", async () => {
  using poll = new EventPoll();
  const stream = new ReadableStream<string | undefined>({
    start(controller) {
      for (const chunk of ["a", undefined, "c"]) controller.enqueue(chunk);
      controller.close();
    },
  });
  using source = new StreamSource(stream);
  poll.addEntry({ file: source }, 0, IN | RDHUP, 1);
  assertEquals(source.take(), null);
  const got: (string | undefined)[] = [];
  for (;;) {
    const [event] = await poll.wait(1);
    const item = source.take();
    if (item === null) continue;
    assertEquals(event!.mask, item.done ? IN | RDHUP : IN);
    if (item.done) break;
    got.push(item.value);
  }
  assertEquals([got, source.take()], [["a", undefined, "c"], { done: true }]);
  assertEquals(poll.readEvents(1).length, 1);
});

test("StreamSource: what breaks the stream is ERR, and thrown by take", async () => {
  using poll = new EventPoll();
  const stream = new ReadableStream({
    pull() {
      throw new Error("broken stream");
    },
  }, { highWaterMark: 0 });
  using source = new StreamSource(stream);
  poll.addEntry({ file: source }, 0, IN, 1);
  assertEquals(await poll.wait(1), [{ mask: IN | ERR, data: 1 }]);
  for (let time = 0; time < 2; time++) assertThrows(() => source.take(), Error, "broken stream");
});

test("StreamSource: disposing of it gives the stream back", async () => {
  using poll = new EventPoll();
  let controller!: ReadableStreamDefaultController<string>;
  const stream = new ReadableStream<string>({ start: (it) => void (controller = it) });
  const source = new StreamSource(stream);
  poll.addEntry({ file: source }, 0, IN, 1);
  assertThrows(() => new StreamSource(stream), TypeError);
  source[Symbol.dispose]();
  source[Symbol.dispose]();
  await turn();
  assertEquals([poll.size, stream.locked, source.take(), source.readiness(IN)], [
    0,
    false,
    null,
    0,
  ]);
  controller.enqueue("left for others");
  assertEquals((await stream.getReader().read()).value, "left for others");
  assertThrows(() => new StreamSource({} as ReadableStream), TypeError, "StreamSource takes");
});
