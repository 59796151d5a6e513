import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import {
  ConnTimeoutError,
  QueueFullError,
  ShortFileError,
  UnknownFDError,
} from "../loop/conn_errors.ts";
import { test } from "./support.ts";

test("C07 QueueFullError: what waits, what was to be written, the cap, and what to do", () => {
  const error = new QueueFullError(70, 40, 100);
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.pending, error.limit], ["QueueFullError", 40, 100]);
  for (const part of ["40 bytes wait", "70 more", "cap of 100", "none was taken", "onDrain"]) {
    assertStringIncludes(error.message, part);
  }
});

test("C07 UnknownFDError: which number, and why it has no connection", () => {
  const error = new UnknownFDError(7);
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.fd], ["UnknownFDError", 7]);
  assertStringIncludes(error.message, "fd 7 has no connection in this loop");
});

test("C19 ConnTimeoutError: which limit, and how long it was", () => {
  for (const kind of ["header", "read", "write", "idle"] as const) {
    const error = new ConnTimeoutError(kind, 2.5);
    assertInstanceOf(error, Error);
    assertEquals([error.name, error.kind, error.milliseconds], ["ConnTimeoutError", kind, 2.5]);
    assertEquals(error.message, `the connection's ${kind} limit of 2.5 ms has passed`);
  }
});

test("C29 ShortFileError: how much was sent, how much was to be", () => {
  const error = new ShortFileError(30, 100);
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.sent, error.expected], ["ShortFileError", 30, 100]);
  assertStringIncludes(error.message, "70 bytes too early: 30 of 100 were sent");
});
