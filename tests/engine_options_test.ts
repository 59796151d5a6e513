import { assert, assertEquals, assertThrows } from "@std/assert";
import { getAffinity } from "../handles/affinity.ts";
import {
  checkEngineOptions,
  type EngineOptions,
  moduleURL,
  portable,
} from "../loop/engine_options.ts";
import { test } from "./support.ts";

const handler = new URL("file:///handler.ts");

test("C20 engine options: what is left out", () => {
  const plan = checkEngineOptions({ handler });
  assertEquals(plan.settings, {
    handler: "file:///handler.ts",
    count: getAffinity().length,
    accept: {},
    conn: {},
  });
  assertEquals([plan.address, plan.restarts, plan.listen.noDelay], [null, true, true]);
  assert(plan.cpus.every((cpu) => cpu === null));
  assertEquals(checkEngineOptions({ handler, listen: { noDelay: false } }).listen.noDelay, false);
});

test("C20 engine options: a function for the handler is explained", () => {
  for (const wrong of [() => {}, class {}, { onData() {} }]) {
    const error = assertThrows(
      () => checkEngineOptions({ handler: wrong as unknown as string }),
      TypeError,
      "functions cannot cross to another thread",
    );
    assert(error.message.includes(`new URL("./handler.ts", import.meta.url)`), error.message);
  }
});

test("C20 engine options: the names of modules that mean the same in a worker", () => {
  assertEquals(moduleURL("/srv/a b.ts", "it"), "file:///srv/a%20b.ts");
  assertEquals(moduleURL("file:///x.ts", "it"), "file:///x.ts");
  assertEquals(moduleURL(new URL("data:text/javascript,0"), "it"), "data:text/javascript,0");
  for (const relative of ["./handler.ts", "handler.ts", ""]) {
    assertThrows(() => moduleURL(relative, "it"), TypeError, "import.meta.url");
  }
  for (const wrong of [5, null, undefined, true]) {
    assertThrows(() => moduleURL(wrong, "it"), TypeError, "it must be the URL of a module");
  }
});

test("C20 engine options: every wrong one is refused before anything is opened", () => {
  const refused: [Partial<Record<keyof EngineOptions, unknown>>, new () => Error, string][] = [
    [{ workers: 0 }, RangeError, "workers"],
    [{ workers: 1.5 }, RangeError, "workers"],
    [{ workers: "2" }, TypeError, "workers"],
    [{ policy: "ignore" }, TypeError, "policy"],
    [{ affinity: "all" }, TypeError, "affinity"],
    [{ affinity: [0], workers: 2 }, RangeError, "a CPU for each of 2 workers"],
    [{ affinity: [-1], workers: 1 }, RangeError, "a CPU"],
    [{ listen: 80 }, TypeError, "listen"],
    [{ accept: null }, TypeError, "accept"],
    [{ conn: { maxBacklog: 0 } }, RangeError, "maxBacklog"],
    [{ conn: { timeouts: { idle: -1 } } }, RangeError, "timeouts.idle"],
    [{ onMessage: "x" }, TypeError, "onMessage"],
    [{ onWorkerError: {} }, TypeError, "onWorkerError"],
    [{ poller: "epoll" }, TypeError, "poller"],
    [{ poller: () => "epoll" }, TypeError, "PollerPolicy"],
  ];
  for (const [options, kind, says] of refused) {
    assertThrows(() => checkEngineOptions({ handler, ...options } as EngineOptions), kind, says);
  }
  assertThrows(() => checkEngineOptions(null as unknown as EngineOptions), TypeError, "options");
});

test("C20 engine options: the limits of connections are plain numbers in a worker", () => {
  const day = { years: 0, months: 0, weeks: 0, days: 1, hours: 0, minutes: 0, seconds: 0 };
  const duration = { ...day, milliseconds: 0, microseconds: 0, nanoseconds: 0 };
  assertEquals(
    portable({ maxBacklog: 5, timeouts: { idle: duration, read: 1_000_000n } }, "it"),
    { maxBacklog: 5, timeouts: { idle: 86_400_000, read: 1 } },
  );
  assertEquals(portable({}, "it"), {});
});
