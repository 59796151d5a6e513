import { assertEquals, assertThrows } from "@std/assert";
import { EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { StreamSink } from "../loop/stream_sink.ts";
import { test, turn } from "./support.ts";

const { OUT, ERR, HUP } = EventMask;

test("StreamSink: OUT while it wants more; what it takes comes in order, then the end", async () => {
  using poll = new EventPoll();
  const got: number[] = [];
  let ended = false;
  const stream = new WritableStream<number>({
    async write(chunk) {
      await turn();
      got.push(chunk);
    },
    close: () => void (ended = true),
  }, { highWaterMark: 2 });
  using sink = new StreamSink(stream);
  poll.addEntry({ file: sink }, 0, OUT, 1);
  let refusals = 0;
  for (let next = 0; next < 10;) {
    assertEquals((await poll.wait(1)).length, 1);
    while (next < 10 && sink.write(next)) next++;
    if (next === 10) break;
    refusals++;
    assertEquals(poll.readEvents(1), []);
  }
  sink.close();
  sink.close();
  assertEquals(sink.readiness(OUT | HUP), HUP);
  assertThrows(() => sink.write(1), TypeError, "closed");
  while (!ended) await turn();
  assertEquals([got, refusals > 0], [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], true]);
});

test("StreamSink: what breaks the stream is ERR and HUP, and thrown by write", async () => {
  using poll = new EventPoll();
  const stream = new WritableStream({
    write() {
      throw new Error("broken stream");
    },
  });
  using sink = new StreamSink(stream);
  poll.addEntry({ file: sink }, 0, 0, 1);
  await turn();
  assertEquals(sink.write(1), true);
  assertEquals(await poll.wait(1), [{ mask: ERR | HUP, data: 1 }]);
  assertThrows(() => sink.write(2), Error, "broken stream");
});

test("StreamSink: disposing of it gives the stream back", async () => {
  using poll = new EventPoll();
  const stream = new WritableStream<number>();
  const sink = new StreamSink(stream);
  poll.addEntry({ file: sink }, 0, OUT, 1);
  assertThrows(() => new StreamSink(stream), TypeError);
  sink[Symbol.dispose]();
  sink[Symbol.dispose]();
  await turn();
  assertEquals([poll.size, stream.locked, sink.readiness(OUT)], [0, false, 0]);
  assertThrows(() => sink.write(1), TypeError, "given back");
  assertThrows(() => new StreamSink({} as WritableStream), TypeError, "StreamSink takes");
});
