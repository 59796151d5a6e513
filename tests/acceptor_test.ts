import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { socket } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Socket } from "../handles/socket.ts";
import { type AcceptHandlers, Acceptor } from "../loop/acceptor.ts";
import { Loop } from "../loop/loop.ts";
import { LoopClosedError } from "../loop/loop_closed_error.ts";
import { connectAll, listening, outcome, outcomes } from "./acceptor_fixture.ts";
import { abstractName, failing, hasIPv6, setErrno } from "./socket_fixture.ts";
import { test, waitUntil } from "./support.ts";

/** Collects what is accepted, and closes it in the end. */
function collector(): { sockets: Socket[]; onAccept(socket: Socket): void } & Disposable {
  const sockets: Socket[] = [];
  return {
    sockets,
    onAccept: (socket) => void sockets.push(socket),
    [Symbol.dispose]: () => {
      for (const each of sockets) each.close();
    },
  };
}

/** Takes turns of a dedicated loop until something is so. */
async function runUntil(loop: Loop, done: () => boolean): Promise<void> {
  using _clock = loop.setInterval(1, () => {
    if (done()) loop.stop();
  });
  await loop.run({ signal: AbortSignal.timeout(10_000) });
  assert(done(), "it did not come about within 10 s");
}

for (const attached of [false, true]) {
  test(`C20 Loop.accept: every client is accepted, ${attached ? "attached" : "dedicated"}`, async () => {
    using loop = Loop.create({ attached });
    using listener = Socket.listen("127.0.0.1:0", { noDelay: true });
    using got = collector();
    const acceptor = loop.accept(listener, got);
    using clients = connectAll(listener.localAddress, 10);
    const done = (): boolean => got.sockets.length === 10;
    await (attached ? waitUntil(done, 10_000, "ten connections") : runUntil(loop, done));
    assertEquals([acceptor.accepted, acceptor.refused, acceptor.active], [10, 0, true]);
    assertEquals([acceptor.listener, acceptor.paused], [listener, false]);
    const ports = (each: Socket[]): unknown[] => each.map((one) => one.remoteAddress).sort();
    assertEquals(
      ports(got.sockets).length,
      new Set(clients.sockets.map((one) => JSON.stringify(one.localAddress))).size,
    );
    acceptor.close();
    assertEquals([acceptor.active, listener.valid], [false, true]);
  });
}

test("C21 maxPerTurn: others have their turn in between, and no client is left behind", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using clients = connectAll(listener.localAddress, 10);
  const turns: number[] = [];
  using acceptor = loop.accept(listener, {
    onAccept: (socket) => {
      socket.close();
      const { turns: turn } = loop.metrics();
      turns[turn] = (turns[turn] ?? 0) + 1;
    },
  }, { maxPerTurn: 3 });
  await runUntil(loop, () => acceptor.accepted === 10);
  assertEquals(turns.filter((count) => count > 0), [3, 3, 3, 1]);
  assertEquals(outcomes(clients.sockets), { FIN: 10 });
});

test("C21 what accept(2) says of a connection that is gone is skipped", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using _clients = connectAll(listener.localAddress, 2);
  using got = collector();
  using acceptor = loop.accept(listener, got);
  using _ = failing("accept4", ["ECONNABORTED", "EPROTO", "EINTR", "ENETUNREACH", "EHOSTDOWN"]);
  await runUntil(loop, () => got.sockets.length === 2);
  assertEquals(acceptor.paused, false);
});

for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"] as const) {
  test(`C21 ${code}: told once, then rests, and recovers by itself`, async () => {
    using loop = Loop.create();
    using listener = Socket.listen("127.0.0.1:0");
    using _clients = connectAll(listener.localAddress, 3);
    using got = collector();
    const errors: string[] = [];
    using acceptor = loop.accept(listener, {
      ...got,
      onError: (error) => {
        errors.push((error as SyscallError).code);
        assertEquals(acceptor.paused, false);
      },
    });
    using failure = failing("accept4", [code, code, code, code]);
    let paused = 0;
    using _watch = loop.setInterval(1, (times) => paused += acceptor.paused ? times : 0);
    await runUntil(loop, () => got.sockets.length === 3);
    assertEquals(errors, [code]);
    assert(paused >= 5, `paused in ${paused} ms: 2 + 4 + 8 + 16 were due`);
    assertEquals([failure.calls, acceptor.paused], [4 + 3 + 1, false]);
    // The next time is told again.
    using again = failing("accept4", [code]);
    using _more = connectAll(listener.localAddress, 1);
    await runUntil(loop, () => got.sockets.length === 4);
    assertEquals([errors.length, again.calls], [2, 3]);
  });
}

test("C21 while it rests it is tried again at once when a connection of the loop is closed", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using got = collector();
  using acceptor = loop.accept(listener, got);
  using clients = connectAll(listener.localAddress, 1);
  await runUntil(loop, () => acceptor.accepted === 1);
  const order: string[] = [];
  const calls = libc as unknown as Record<string, (...args: unknown[]) => unknown>;
  const real = calls["accept4"]!;
  calls["accept4"] = (...args: unknown[]): unknown => {
    const full = !order.includes("closed");
    order.push(full ? "full" : "accept");
    if (!full) return real(...args);
    setErrno("EMFILE");
    return -1;
  };
  try {
    loop.registerConn(got.sockets[0]!, { onRecv() {}, onClose: () => void order.push("closed") });
    using _late = connectAll(listener.localAddress, 1);
    await runUntil(loop, () => order.length >= 7); // from now on by itself every 64 ms only
    const before = order.length;
    clients.sockets[0]!.close();
    const ends = loop.metrics().turns;
    let came = 0;
    await runUntil(loop, () => {
      came ||= acceptor.accepted === 2 ? loop.metrics().turns : 0;
      return came > 0;
    });
    assertEquals(order.slice(before, before + 2), ["closed", "accept"]);
    assert(came - ends < 10, `${came - ends} turns later`);
  } finally {
    calls["accept4"] = real;
  }
});

test("C21 overload: refuse ends who cannot be served, and accepts again when it can", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using got = collector();
  const errors: string[] = [];
  using acceptor = loop.accept(listener, {
    ...got,
    onError: (error) => void errors.push((error as SyscallError).code),
  }, { overload: "refuse", maxPerTurn: 2 });
  {
    using clients = connectAll(listener.localAddress, 5);
    // The acceptor's own call fails, and the one that is made with the reserve does not.
    using _ = failing("accept4", ["EMFILE"]);
    await runUntil(loop, () => acceptor.refused + acceptor.accepted === 5);
    assertEquals([acceptor.refused, acceptor.accepted, errors], [2, 3, ["EMFILE"]]);
    assertEquals(outcomes(clients.sockets.slice(0, 2)), { FIN: 2 });
  }
  using clients = connectAll(listener.localAddress, 3);
  // Another thread takes the reserve: then it rests, and refuses again after that.
  using _ = failing("accept4", ["EMFILE", "EMFILE", "EMFILE", "EMFILE"]);
  await runUntil(loop, () => acceptor.refused + acceptor.accepted === 8);
  assertEquals([acceptor.paused, errors], [false, ["EMFILE", "EMFILE"]]);
  assertEquals(outcome(clients.sockets[0]!, 100), acceptor.refused > 2 ? "FIN" : "nothing");
  using _late = connectAll(listener.localAddress, 1);
  await runUntil(loop, () => acceptor.refused + acceptor.accepted === 9);
});

test("C21 errors that stay: the acceptor is over, and somebody is told", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using _clients = connectAll(listener.localAddress, 1);
  {
    const errors: string[] = [];
    const handlers: AcceptHandlers = {
      onAccept() {},
      onError: (error) => errors.push((error as SyscallError).code),
    };
    const acceptor = loop.accept(listener, handlers);
    using _ = failing("accept4", ["EPERM"]);
    await loop.run(); // nothing is left to wait for
    assertEquals([errors, acceptor.active], [["EPERM"], false]);
  }
  const acceptor = loop.accept(listener, { onAccept() {} });
  using _ = failing("accept4", ["EPERM"]);
  const error = await assertRejects(() => loop.run(), SyscallError);
  assertEquals([error.code, acceptor.active, listener.valid], ["EPERM", false, true]);
});

test("C21 a listener that is shut down elsewhere is over: EINVAL", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  const acceptor = loop.accept(listener, { onAccept() {} });
  libc.shutdown(listener.raw, socket.SHUT_RDWR);
  const error = await assertRejects(() => loop.run(), SyscallError);
  assertEquals([error.code, acceptor.active], ["EINVAL", false]);
});

test("C20 the listener is closed: the acceptor is over, without an error", async () => {
  using loop = Loop.create();
  const listener = Socket.listen("127.0.0.1:0");
  const acceptor = loop.accept(listener, { onAccept() {} });
  listener.close();
  assertEquals(acceptor.active, false);
  await loop.run();
  assertEquals([acceptor.drain(), acceptor.accepted], [0, 0]);
  acceptor.close();
});

test("C20 a copy closes the listener while it accepts: over, without an error", async () => {
  using loop = Loop.create();
  const listener = Socket.listen("127.0.0.1:0");
  const copy = Socket.from(listener.share());
  using _clients = connectAll(listener.localAddress, 2);
  const acceptor = loop.accept(listener, {
    onAccept: (socket) => {
      socket.close();
      copy.close();
    },
  });
  await runUntil(loop, () => !acceptor.active);
  assertEquals(acceptor.accepted, 1);
});

test("C20 the loop is closed: the listener stays open, and nothing else does", () => {
  const loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  const acceptor = loop.accept(listener, { onAccept() {} });
  loop.close();
  assertEquals([acceptor.active, listener.valid], [false, true]);
  acceptor.close();
  assertThrows(() => loop.accept(listener, { onAccept() {} }), LoopClosedError);
});

test("C20 onAccept may do anything: throw, close the acceptor, drain it, close the loop", async () => {
  const deeds: ((acceptor: Acceptor, loop: Loop) => void)[] = [
    (acceptor) => acceptor.close(),
    (acceptor) => void acceptor.drain(),
    (_, loop) => loop.close(),
    (acceptor) => acceptor.listener.close(),
  ];
  for (const deed of deeds) {
    using loop = Loop.create();
    using listener = Socket.listen("127.0.0.1:0");
    using _clients = connectAll(listener.localAddress, 3);
    const acceptor: Acceptor = loop.accept(listener, {
      onAccept: (socket) => {
        socket.close();
        deed(acceptor, loop);
      },
    });
    await loop.run();
    assertEquals([acceptor.accepted, acceptor.active], [1, false]);
  }
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using _clients = connectAll(listener.localAddress, 3);
  using acceptor = loop.accept(listener, {
    onAccept: (socket) => {
      socket.close();
      throw new Error("mine");
    },
  });
  const error = await assertRejects(() => loop.run(), AggregateError);
  assertEquals([error.errors.length, acceptor.accepted, acceptor.active], [3, 3, true]);
});

test("C20 Loop.accept refuses what it cannot use, and leaves nothing", () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using datagrams = Socket.bind("127.0.0.1:0");
  using blocking = Socket.listen("127.0.0.1:0", { blocking: true });
  const handlers: AcceptHandlers = { onAccept() {} };
  const refuse = (error: typeof TypeError | typeof RangeError, ...args: unknown[]): void => {
    assertThrows(() => (loop.accept as (...args: unknown[]) => unknown)(...args), error);
  };
  refuse(TypeError, 3, handlers);
  refuse(TypeError, datagrams, handlers);
  refuse(TypeError, blocking, handlers);
  refuse(TypeError, listener);
  refuse(TypeError, listener, {});
  refuse(TypeError, listener, () => {});
  refuse(TypeError, listener, { onAccept() {}, onError: 3 });
  refuse(TypeError, listener, handlers, 3);
  refuse(TypeError, listener, handlers, { overload: "drop" });
  refuse(TypeError, listener, handlers, { maxPerTurn: "3" });
  refuse(RangeError, listener, handlers, { maxPerTurn: 0 });
  refuse(RangeError, listener, handlers, { maxPerTurn: 1.5 });
  using _acceptor = loop.accept(listener, handlers);
  const error = assertThrows(() => loop.accept(listener, handlers), SyscallError);
  assertEquals(error.code, "EEXIST");
  const closed = Socket.listen("127.0.0.1:0");
  closed.close();
  assertThrows(() => loop.accept(closed, handlers), ClosedError);
  assertThrows(() => new (Acceptor as unknown as new () => object)());
});

for (
  const where of ["127.0.0.1:0", ...(hasIPv6 ? ["[::1]:0"] : []), "unix:", "an abstract name"]
) {
  test(`C24 drain: who was queued gets FIN, whatever they sent, nobody new gets in: ${where}`, () => {
    const address = where === "an abstract name" ? `unix:${abstractName("drain")}` : where;
    using loop = Loop.create();
    using listener = Socket.listen(address, { reuseAddr: !address.startsWith("unix") });
    const { localAddress } = listener;
    if (!address.startsWith("unix")) listener.linger = 0; // which accepted sockets inherit
    using clients = connectAll(localAddress, 20);
    for (const [index, client] of clients.sockets.entries()) {
      if (index % 2 === 0) client.write(new Uint8Array(index * 5000));
    }
    const acceptor = loop.accept(listener, { onAccept() {} });
    if (!address.startsWith("unix")) assertEquals(listening(localAddress), 1);
    assertEquals(acceptor.drain(), 20);
    assertEquals([acceptor.active, listener.closed, acceptor.accepted], [false, true, 0]);
    assertEquals(outcomes(clients.sockets), { FIN: 20 });
    if (!address.startsWith("unix")) assertEquals(listening(localAddress), 0);
    const error = assertThrows(
      () => Socket.connect(localAddress, { blocking: true }),
      SyscallError,
    );
    assertEquals(error.code, "ECONNREFUSED");
    assertEquals(acceptor.drain(), 0);
  });
}

test("C24 drain: messages in order, too, and after close()", () => {
  using loop = Loop.create();
  using listener = Socket.listen("unix:", { type: "seqpacket" });
  using clients = connectAll(listener.localAddress, 3, "seqpacket");
  for (let count = 0; count < 5; count++) clients.sockets[0]!.write(new Uint8Array(10));
  const acceptor = loop.accept(listener, { onAccept() {} });
  acceptor.close();
  assertEquals(acceptor.drain(), 3);
  assertEquals(outcomes(clients.sockets), { FIN: 3 });
});

test("C24 drain without the filters, where a sandbox forbids them, still accepts who is queued", () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using clients = connectAll(listener.localAddress, 200);
  const acceptor = loop.accept(listener, { onAccept() {} });
  const calls = libc as unknown as Record<string, (...args: unknown[]) => unknown>;
  const real = calls["setsockopt"]!;
  calls["setsockopt"] = (...args: unknown[]): unknown =>
    args[2] === socket.SO_ATTACH_FILTER ? -1 : real(...args);
  try {
    assertEquals(acceptor.drain(), 200);
  } finally {
    calls["setsockopt"] = real;
  }
  assertEquals(outcomes(clients.sockets), { FIN: 200 });
});

test("C24 close leaves the clients in the backlog, for the next acceptor", async () => {
  using loop = Loop.create();
  using listener = Socket.listen("127.0.0.1:0");
  using clients = connectAll(listener.localAddress, 3);
  {
    using _acceptor = loop.accept(listener, { onAccept() {} });
  }
  assertEquals(outcome(clients.sockets[0]!, 0), "nothing");
  using got = collector();
  using acceptor = loop.accept(listener, got);
  await runUntil(loop, () => acceptor.accepted === 3);
});
