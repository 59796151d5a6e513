import { assertStrictEquals, assertThrows } from "@std/assert";
import { checkHandlers, type ConnHandlers } from "../loop/conn_options.ts";
import { test } from "./support.ts";

const onRecv = (): void => {};

test("C02 handlers are taken as they are: an object literal, a class with its own state", () => {
  class Session implements ConnHandlers {
    onRecv(): void {}
    onEnd(): void {}
    onDrain(): void {}
    onClose(): void {}
  }
  for (const handlers of [{ onRecv }, { onRecv, onEnd: undefined, extra: 1 }, new Session()]) {
    assertStrictEquals(checkHandlers(handlers, "X"), handlers);
  }
});

test("C02 celeris: null callbacks are refused, and the message says which", () => {
  for (const bad of [undefined, null, 3, "onRecv", onRecv]) {
    assertThrows(() => checkHandlers(bad as never, "X"), TypeError, "X: ");
  }
  assertThrows(() => checkHandlers({} as never, "X"), TypeError, "X: onRecv must be a function");
  for (const name of ["onRecv", "onEnd", "onDrain", "onClose"]) {
    for (const bad of [null, 3, "f", {}]) {
      const handlers = { onRecv, [name]: bad } as never;
      assertThrows(() => checkHandlers(handlers, "X"), TypeError, `X: ${name} must be a function`);
    }
  }
});
