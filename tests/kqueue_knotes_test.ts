import { assertEquals } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { socket } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { EV } from "../handles/kqueue_words.ts";
import { pipe, socketPair } from "../handles/pipe.ts";
import { readinessOf } from "../loop/kqueue_knotes.ts";
import { HANGUP, PEER_CLOSED, READABLE, WRITABLE } from "../loop/poller.ts";
import { test } from "./support.ts";

const { POLLIN, POLLOUT, POLLHUP } = posix;
const { events: asked, revents: answer } = structs.pollfd;

test("C35 the end of one direction: the other one is asked for, as macOS needs it", () => {
  const { poll } = libc;
  /** xnu's poll_callback(): POLLHUP for EV_EOF of a filter that was asked for, and nothing unasked. */
  const onMac = (ended: number) => {
    libc.poll = (memory) => {
      const words = memory as Int16Array;
      words[answer / 2] = (words[asked / 2]! & ended) !== 0 ? POLLHUP : 0;
      return words[answer / 2] === 0 ? 0 : 1;
    };
  };
  try {
    onMac(POLLIN);
    assertEquals(readinessOf(PEER_CLOSED, "READ", 3, EV.EOF, 0), PEER_CLOSED);
    onMac(POLLOUT);
    assertEquals(readinessOf(WRITABLE, "WRITE", 3, EV.EOF, 0), WRITABLE);
    onMac(POLLIN | POLLOUT);
    assertEquals(readinessOf(READABLE, "READ", 3, EV.EOF, 0), READABLE | HANGUP);
    assertEquals(readinessOf(WRITABLE, "WRITE", 3, EV.EOF, 0), WRITABLE | HANGUP);
  } finally {
    libc.poll = poll;
  }
});

test("C35 the end of one direction is no hang-up, that of both is one", () => {
  using ends = pipe();
  ends.writer.close();
  assertEquals(readinessOf(READABLE, "READ", ends.reader.raw, EV.EOF, 0), READABLE | HANGUP);
  using pair = socketPair();
  const { left, right } = pair;
  right.write(new Uint8Array(1));
  libc.shutdown(right.raw, socket.SHUT_WR);
  assertEquals(readinessOf(READABLE, "READ", left.raw, EV.EOF, 0), READABLE);
  libc.shutdown(left.raw, socket.SHUT_WR);
  assertEquals(readinessOf(READABLE, "READ", left.raw, EV.EOF, 0), READABLE | HANGUP);
  assertEquals(readinessOf(WRITABLE, "WRITE", left.raw, EV.EOF, 0), WRITABLE | HANGUP);
});
