import { assertEquals, assertRejects } from "@std/assert";
import { Gate } from "../loop/gate.ts";
import { test } from "./support.ts";

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
