import { assertEquals, assertThrows } from "@std/assert";
import { isWaitable, type SourceListener, waitable, WaiterQueue } from "../loop/waitable.ts";
import { test } from "./support.ts";

/** A listener that writes down its name, and then does what the test adds. */
function listener(
  name: string,
  heard: string[],
  options: { exclusive?: boolean; takes?: boolean; then?: () => void } = {},
): SourceListener {
  const { exclusive = false, takes = true, then = () => {} } = options;
  return {
    exclusive,
    notify: (mask) => {
      heard.push(`${name}${mask}`);
      then();
      return takes;
    },
    released: () => void heard.push(`${name}!`),
  };
}

test("WaiterQueue: the last is told first; exclusive ones behind all, until one takes it", () => {
  const heard: string[] = [];
  const queue = new WaiterQueue();
  queue.register(listener("x", heard, { exclusive: true, takes: false }));
  queue.register(listener("y", heard, { exclusive: true }));
  queue.register(listener("z", heard, { exclusive: true }));
  queue.register(listener("a", heard));
  queue.register(listener("b", heard));
  queue.notify(1);
  assertEquals(heard.splice(0), ["b1", "a1", "x1", "y1"]);
  queue.notify(0);
  assertEquals(heard.splice(0), ["b0", "a0", "x0", "y0", "z0"]);
  queue.release();
  assertEquals([heard.splice(0).toSorted(), queue.isEmpty], [["a!", "b!", "x!", "y!", "z!"], true]);
  queue.notify(1);
  assertEquals(heard, []);
});

test("WaiterQueue: who is taken out while others are told is not told, who is new not yet", () => {
  for (const exclusive of [false, true]) {
    const heard: string[] = [];
    const queue = new WaiterQueue();
    const gone = listener("g", heard, { exclusive });
    const fresh = listener("f", heard, { exclusive });
    const first = listener("1", heard, {
      exclusive,
      takes: false,
      then: () => {
        queue.unregister(first);
        queue.unregister(gone);
        queue.register(fresh);
      },
    });
    for (const one of exclusive ? [first, gone] : [gone, first]) queue.register(one);
    queue.notify(4);
    assertEquals(heard.splice(0), ["14"]);
    queue.notify(4);
    assertEquals(heard, ["f4"]);
    queue.unregister(gone);
  }
});

test("waitable: three methods make one; anything else is refused in words", () => {
  const good = { readiness: () => 0, register() {}, unregister() {} };
  assertEquals(isWaitable(good), true);
  assertEquals(waitable(good, "it"), good);
  for (const bad of [null, undefined, 1, "x", {}, { ...good, register: 1 }]) {
    assertEquals(isWaitable(bad), false);
    assertThrows(() => waitable(bad, "it"), TypeError, "it must be a Waitable");
  }
  assertThrows(() => new WaiterQueue().register({} as SourceListener), TypeError, "listener");
});
