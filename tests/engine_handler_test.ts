import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { checkHandler, defineHandler, type EngineHandler } from "../loop/engine_handler.ts";
import { test } from "./support.ts";

test("C20 engine handler: it is answered as it is, and its parts are functions", () => {
  const handler: EngineHandler = { onData() {}, onClose() {} };
  assertStrictEquals(defineHandler(handler), handler);
  assertEquals(checkHandler({ onData() {}, other: 5 } as EngineHandler, "it").onData.length, 0);
  assertThrows(() => defineHandler({} as EngineHandler), TypeError, "onData(conn, bytes)");
  for (const wrong of [null, undefined, 5, () => {}]) {
    assertThrows(() => defineHandler(wrong as unknown as EngineHandler), TypeError, "an object");
  }
  const odd = { onData() {}, onOpen: "open" } as unknown as EngineHandler;
  assertThrows(() => checkHandler(odd, "the module x"), TypeError, "the module x: onOpen");
});
