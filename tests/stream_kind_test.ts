import { openSync } from "node:fs";
import { assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, libc } from "../ffi/libc.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { Socket } from "../handles/socket.ts";
import { endWriting, isAtEnd, pendingError, streamKind } from "../handles/stream_kind.ts";
import { drain, encode } from "./conn_fixture.ts";
import { connection } from "./socket_fixture.ts";
import { test } from "./support.ts";

const both = { reads: true, writes: true, socket: true };

test("C11 what a descriptor is for: sockets, pipes, counters", () => {
  using tcp = connection();
  using unix = socketPair();
  using ends = pipe();
  using counter = EventFD.create();
  assertEquals(streamKind(tcp.client, "x"), { ...both, shortReadEmpties: true });
  assertEquals(streamKind(unix.left, "x"), { ...both, shortReadEmpties: false });
  const other = { socket: false, shortReadEmpties: false };
  assertEquals(streamKind(ends.reader, "x"), { ...other, reads: true, writes: false });
  assertEquals(streamKind(ends.writer, "x"), { ...other, reads: false, writes: true });
  assertEquals(streamKind(counter, "x"), { ...other, reads: true, writes: true });
});

test("C11 a terminal reads and writes, and its short reads say nothing", () => {
  using ptmx = FD.adopt(
    check("open", libc.open(encode("/dev/ptmx\0"), posix.O_RDWR | posix.O_NONBLOCK, 0)),
  );
  const kind = streamKind(ptmx, "x");
  assertEquals(kind, { reads: true, writes: true, socket: false, shortReadEmpties: false });
});

test("C02 what blocks is refused with the remedy, messages are refused, what is closed says so", () => {
  using ends = pipe({ blocking: true });
  using file = FD.adopt(openSync("/proc/self/status", "r"));
  for (const handle of [ends.reader, ends.writer, file]) {
    assertThrows(() => streamKind(handle, "Who"), TypeError, `Who: fd ${handle.raw} blocks`);
  }
  for (const type of ["dgram", "seqpacket"] as const) {
    using pair = socketPair({ type });
    assertThrows(() => streamKind(pair.left, "Who"), TypeError, "a socket for messages");
  }
  using udp = Socket.bind("127.0.0.1:0");
  assertThrows(() => streamKind(udp, "Who"), TypeError, "a socket for messages");
  const closed = EventFD.create();
  closed.close();
  assertThrows(() => streamKind(closed, "Who"), ClosedError);
});

test("C14 pendingError: a socket's own, read once; EPIPE for a pipe, EIO for what reads as well", () => {
  using tcp = connection();
  const kind = streamKind(tcp.server, "x");
  assertEquals(pendingError(tcp.server, kind), null);
  tcp.client.linger = 0;
  tcp.client.close();
  const error = pendingError(tcp.server, kind)!;
  assertEquals([error.code, error.syscall, error.fd], ["ECONNRESET", "SO_ERROR", tcp.server.raw]);
  assertEquals(pendingError(tcp.server, kind), null);
  using ends = pipe();
  assertEquals(pendingError(ends.writer, streamKind(ends.writer, "x"))?.code, "EPIPE");
  using counter = EventFD.create();
  assertEquals(pendingError(counter, streamKind(counter, "x"))?.errno, errnoNumber("EIO"));
});

test("C12 isAtEnd: only at the end, whatever lies before it stays", () => {
  using pair = socketPair();
  const kind = streamKind(pair.left, "x");
  assertEquals(isAtEnd(pair.left, kind), false);
  pair.right.write(encode("x"));
  pair.right.close();
  assertEquals(isAtEnd(pair.left, kind), false);
  assertEquals(drain(pair.left), { bytes: encode("x"), ended: true });
  assertEquals(isAtEnd(pair.left, kind), true);
  using ends = pipe();
  ends.writer.close();
  assertEquals(isAtEnd(ends.reader, streamKind(ends.reader, "x")), false);
});

test("C12 endWriting: the peer reads the end; twice is once; a reset is an error, once", () => {
  using pair = socketPair();
  const kind = streamKind(pair.left, "x");
  endWriting(pair.left, kind);
  endWriting(pair.left, kind);
  assertEquals(drain(pair.right).ended, true);
  using tcp = connection();
  tcp.client.linger = 0;
  tcp.client.close();
  const end = (): void => endWriting(tcp.server, streamKind(tcp.server, "x"));
  assertThrows(end, Error, "ECONNRESET");
  end();
});
