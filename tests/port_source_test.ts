import { assertEquals, assertThrows } from "@std/assert";
import { EventMask } from "../loop/event_mask.ts";
import { EventPoll } from "../loop/event_poll.ts";
import { type MessageNote, type MessageSender, PortSource } from "../loop/port_source.ts";
import { deadline, test } from "./support.ts";

const { IN, HUP } = EventMask;

test("PortSource: messages wait in their order until they are taken", async () => {
  const { port1, port2 } = new MessageChannel();
  using poll = new EventPoll();
  const source = new PortSource(port1);
  poll.addEntry({ file: source }, 0, IN, 1);
  for (let number = 0; number < 100; number++) port2.postMessage(number);
  const got: unknown[] = [];
  while (got.length < 100) {
    await deadline(10_000, poll.wait(1), "a message");
    for (let note = source.take(); note !== null; note = source.take()) got.push(note.data);
    assertEquals(poll.readEvents(1), []);
  }
  assertEquals(got, Array.from({ length: 100 }, (_, number) => number));
  source[Symbol.dispose]();
  assertEquals(poll.size, 0);
  port1.close();
  port2.close();
});

test("PortSource: anything with message events, and its close event is HUP", () => {
  const listeners = new Map<string, (event: MessageNote) => void>();
  const port: MessageSender = {
    addEventListener: (type, listener) => void listeners.set(type, listener),
    removeEventListener: (type) => void listeners.delete(type),
  };
  const source = new PortSource(port);
  listeners.get("message")!({ data: null });
  listeners.get("close")!({});
  assertEquals(source.readiness(IN | HUP), IN | HUP);
  assertEquals([source.take(), source.take(), source.readiness(IN | HUP)], [
    { data: null },
    null,
    HUP,
  ]);
  source[Symbol.dispose]();
  assertEquals(listeners.size, 0);
  for (const bad of [undefined, null, {}, { addEventListener: () => {} }]) {
    assertThrows(() => new PortSource(bad as unknown as MessageSender), TypeError, "PortSource");
  }
});
