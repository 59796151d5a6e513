import { assert, assertEquals, assertThrows } from "@std/assert";
import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { QueueFullError, UnknownFDError } from "../loop/conn_errors.ts";
import {
  checkRoom,
  errorBytes,
  errorOf,
  fromBytes,
  header,
  KIND,
  opened,
  toBytes,
} from "../loop/engine_wire.ts";
import { test } from "./support.ts";

test("I02 engine wire: a record comes apart as it was made", () => {
  const head = header(KIND.WRITE, 7, 70_000, -1).slice();
  const record = new Uint8Array([...head, 1, 2, 3]);
  const { body, ...words } = opened(record);
  assertEquals(words, { kind: KIND.WRITE, id: 7, fd: 70_000, extra: -1 });
  assertEquals([...body], [1, 2, 3]);
});

test("I02 engine wire: errors keep their class, their fields, their message and their stack", () => {
  const syscall = new SyscallError("bind", errnoNumber("EADDRINUSE"), 5, "pid 7 has it");
  const full = new QueueFullError(3, 8, 10);
  for (const error of [syscall, full, new UnknownFDError(9), new TypeError("t"), new Error("e")]) {
    const copy = errorOf(errorBytes(error));
    assertEquals(copy.constructor, error.constructor);
    assertEquals([copy.name, copy.message, copy.stack], [error.name, error.message, error.stack]);
  }
  const copy = errorOf(errorBytes(syscall)) as SyscallError;
  assertEquals([copy.code, copy.errno, copy.fd], ["EADDRINUSE", syscall.errno, 5]);
  const limits = errorOf(errorBytes(full)) as QueueFullError;
  assertEquals([limits.pending, limits.limit], [8, 10]);
});

test("I02 engine wire: an error of any other class keeps its name, and what is thrown need be none", () => {
  class Odd extends Error {
    override readonly name = "Odd";
  }
  const copy = errorOf(errorBytes(new Odd("strange")));
  assert(copy instanceof Error);
  assertEquals([copy.name, copy.message], ["Odd", "strange"]);
  assertEquals(errorOf(errorBytes("a text")).message, "a text");
  assertEquals(errorOf(errorBytes(undefined)).message, "undefined");
});

test("I02 engine wire: whatever a program throws becomes an error with a text", () => {
  const broken = (change: (error: Error) => void): Error => {
    const error = new RangeError("why");
    change(error);
    return error;
  };
  const names = ["toString", "valueOf", "constructor", "__proto__", "hasOwnProperty"];
  for (const name of names) {
    const copy = errorOf(errorBytes(broken((error) => error.name = name)));
    assert(copy instanceof Error);
    assertEquals([copy.name, copy.message], [name, "why"]);
  }
  const unclonable = errorOf(errorBytes(broken((error) => Object.assign(error, { fd() {} }))));
  assertEquals(unclonable.message, "RangeError: why");
  const odd = { name: { toString: 1, valueOf: 1 } };
  const silent = new Proxy(new Error("x"), {
    get() {
      throw new Error("trap");
    },
  });
  for (
    const thrown of [
      Object.create(null) as unknown,
      silent,
      broken((error) => Object.assign(error, odd)),
      broken((error) => Object.assign(error, { message: Symbol("m") })),
    ]
  ) {
    assertEquals(
      errorOf(errorBytes(thrown)).message,
      "something was thrown that has no text",
    );
  }
});

test("I02 engine wire: what can be cloned goes over, what cannot is refused by name", () => {
  const value = { n: 1n, date: new Date(5), set: new Set(["ü"]), bytes: new Uint8Array([1]) };
  assertEquals(fromBytes(toBytes(value, "it")), value);
  for (const wrong of [() => {}, Symbol("x"), new SharedArrayBuffer(8), { f: () => {} }]) {
    assertThrows(
      () => toBytes(wrong, "Engine.post: the value"),
      TypeError,
      "Engine.post: the value",
    );
  }
});

test("C07 engine wire: a queue takes one record of any length, and then no more than its limit", () => {
  checkRoom(0, 1e9, "it");
  checkRoom(1, 1000, "it");
  const error = assertThrows(() => checkRoom(60e6, 10e6, "it"), QueueFullError, "keep up");
  assertEquals(error.pending, 60e6);
});
