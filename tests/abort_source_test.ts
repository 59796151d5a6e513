import { assertEquals, assertThrows } from "@std/assert";
import { AbortSource } from "../loop/abort_source.ts";
import { EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { test } from "./support.ts";

const { IN } = EventMask;

test("AbortSource: IN from the abort on, for as long as it is asked", async () => {
  using poll = new EventPoll();
  const controller = new AbortController();
  using source = new AbortSource(controller.signal);
  poll.addEntry({ file: source }, 0, IN, 1);
  assertEquals(poll.readEvents(1), []);
  const waiting = poll.wait(1);
  controller.abort();
  assertEquals((await waiting).length, 1);
  assertEquals(poll.readEvents(1), [{ mask: IN, data: 1 }]);
  source[Symbol.dispose]();
  source[Symbol.dispose]();
  assertEquals(poll.size, 0);
});

test("AbortSource: a signal that is aborted already is ready; what is none is refused", () => {
  using source = new AbortSource(AbortSignal.abort());
  assertEquals(source.readiness(IN), IN);
  for (const bad of [undefined, null, {}, 1]) {
    assertThrows(() => new AbortSource(bad as AbortSignal), TypeError, "AbortSignal");
  }
});
