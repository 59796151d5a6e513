import { assertEquals, assertRejects } from "@std/assert";
import { Gate, Line } from "../loop/gate.ts";
import { test, turn } from "./support.ts";

test("a gate lets go all that wait, in their order, and nobody who comes later", async () => {
  const gate = new Gate();
  const order: number[] = [];
  gate.open();
  const waits = [1, 2, 3].map((number) => gate.wait(undefined).then(() => order.push(number)));
  assertEquals(gate.size, 3);
  gate.open();
  const late = gate.wait(undefined);
  await Promise.all(waits);
  assertEquals([order, gate.size], [[1, 2, 3], 1]);
  gate.open();
  await late;
  assertEquals(gate.size, 0);
});

test("X03 a signal ends one wait", async () => {
  const gate = new Gate();
  const stop = new AbortController();
  const one = gate.wait(stop.signal);
  const other = gate.wait(new AbortController().signal);
  stop.abort(new RangeError("enough"));
  await assertRejects(() => one, RangeError, "enough");
  await assertRejects(() => gate.wait(stop.signal), RangeError, "enough");
  assertEquals(gate.size, 1);
  gate.open();
  await other;
});

test("a line makes one call at a time, in the order in which they came", async () => {
  const line = new Line();
  const gate = new Gate();
  const order: number[] = [];
  const call = (number: number, signal?: AbortSignal): Promise<void> =>
    line.run(async () => {
      order.push(number);
      await gate.wait(undefined);
      if (number === 2) throw new RangeError("on purpose");
    }, signal);
  const stop = new AbortController();
  const one = call(1);
  const two = call(2);
  const gone = call(3, stop.signal);
  const four = call(4);
  two.catch(() => {});
  stop.abort(new RangeError("enough"));
  await assertRejects(() => gone, RangeError, "enough");
  const five = call(5);
  for (const expected of [[1], [1, 2], [1, 2, 4], [1, 2, 4, 5]]) {
    while (order.length < expected.length || gate.size === 0) await turn();
    await turn();
    assertEquals(order, expected);
    gate.open();
  }
  await assertRejects(() => two, RangeError, "on purpose");
  await Promise.all([one, four, five]);
  const last = call(6); // at once: nobody is inside
  assertEquals(order.at(-1), 6);
  gate.open();
  await last;
  await assertRejects(() => call(7, stop.signal), RangeError, "enough");
});
