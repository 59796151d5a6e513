// linux-test-project/ltp, testcases/kernel/syscalls/epoll_*: what they observe.

import process from "node:process";
import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { posix } from "../../ffi/const_posix.ts";
import { check, libc } from "../../ffi/libc.ts";
import { backend } from "../../ffi/platform.ts";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { ClosedError } from "../../handles/closed_error.ts";
import { Epoll } from "../../handles/epoll.ts";
import { EPOLL, EpollEvents } from "../../handles/epoll_events.ts";
import { EventFD } from "../../handles/event_fd.ts";
import { FD } from "../../handles/fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { TimerFD } from "../../handles/timer_fd.ts";
import { asleep, count, reports, RESERVED, sleepers } from "../epoll_fixture.ts";
import type { EpollWorker } from "../epoll_worker.ts";
import { flagsOf } from "../probes.ts";
import { connection, shutdownWrite } from "../tcp.ts";
import { tempDir, test, type TestWorker, waitUntil, worker } from "../support.ts";

const { IN, OUT, PRI, ERR, HUP, RDHUP, ET, ONESHOT, EXCLUSIVE } = EPOLL;

const start = () => worker<EpollWorker>(new URL("../epoll_worker.ts", import.meta.url));

const code = (call: () => unknown): string => assertThrows(call, SyscallError).code;

/** Opens a path, as a descriptor of its own. */
function open(path: string, flags: number = posix.O_RDONLY): FD {
  const name = new TextEncoder().encode(`${path}\0`);
  return FD.adopt(check("open", libc.open(name, flags | posix.O_CLOEXEC, 0)));
}

test("ltp: epoll_create1_01, CLOEXEC is set only when asked", () => {
  using closing = Epoll.create();
  using staying = Epoll.create({ inherit: true });
  assertEquals([flagsOf(closing).cloexec, flagsOf(staying).cloexec], [true, false]);
});

test("ltp: epoll_ctl01, data and mask follow each change, nothing comes after DEL", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN, 1);
  set.add(ends.writer, OUT, 2);
  assertEquals(reports(set), [[2, OUT]]);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(set), [[1, IN], [2, OUT]]);
  set.modify(ends.reader, PRI, 3);
  set.modify(ends.writer, OUT, 4);
  assertEquals(reports(set), [[4, OUT]]);
  set.delete(ends.writer);
  set.modify(ends.reader, IN, 5);
  assertEquals(reports(set), [[5, IN]]);
  set.delete(ends.reader);
  assertEquals(count(set), 0);
});

test("ltp: epoll_ctl02, the table of errors", () => {
  using set = Epoll.create();
  using closed = Epoll.create();
  using ends = pipe();
  closed.close();
  assertThrows(() => closed.add(ends.reader, IN), ClosedError);
  assertEquals(code(() => set.add(RESERVED, IN)), "EBADF");
  using directory = open("/");
  assertEquals(code(() => set.add(directory, IN)), "EPERM");
  assertEquals(code(() => set.add(set, IN)), "EINVAL");
  assertEquals(code(() => set.delete(ends.reader)), "ENOENT");
  assertEquals(code(() => set.modify(ends.reader, IN)), "ENOENT");
  set.add(ends.reader, IN);
  assertEquals(code(() => set.add(ends.reader, IN)), "EEXIST");
  assertEquals(code(() => Epoll.adopt(ends.reader.raw)), "EINVAL");
});

test("ltp: epoll_ctl03, MOD takes all 256 combinations of the 8 base words", () => {
  using set = Epoll.create();
  using ends = pipe();
  const words = [IN, OUT, PRI, ERR, HUP, ET, ONESHOT, RDHUP];
  set.add(ends.reader, 0);
  for (let combination = 0; combination < 256; combination++) {
    const mask = words.reduce((all, word, bit) => all | (combination >> bit & 1 ? word : 0), 0);
    set.modify(ends.reader, mask);
    set.modify(ends.reader, mask >>> 0);
  }
  assertEquals(count(set), 0);
});

test("ltp: epoll_ctl06, every kind that can be waited for is taken", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  const inotify = backend.bind("inotify_init1", ["i32", "i32"]) as unknown as (n: number) => number;
  const own = (number: number): FD => stack.use(FD.adopt(check("open", number)));
  const pair = stack.use(socketPair());
  const kinds = {
    pipe: stack.use(pipe()).reader,
    socket: pair.left,
    eventfd: stack.use(EventFD.create()),
    signalfd: own(libc.signalfd(-1, new Uint8Array(new ArrayBuffer(128)), posix.O_CLOEXEC)),
    timerfd: stack.use(TimerFD.create()),
    pidfd: own(libc.pidfd_open(process.pid, 0)),
    inotify: own(inotify(posix.O_CLOEXEC)),
    epoll: stack.use(Epoll.create()),
    pty: stack.use(open("/dev/ptmx", posix.O_RDWR | posix.O_NOCTTY)),
  };
  for (const target of Object.values(kinds)) {
    set.add(target, IN);
    set.modify(target, IN | RDHUP);
    set.delete(target);
  }
});

test("ltp: epoll_ctl06, files and what is like them are refused by name", () => {
  using set = Epoll.create();
  using stack = new DisposableStack();
  using dir = tempDir();
  const files = [
    open(`${dir.path}/file`, posix.O_RDWR | posix.O_CREAT),
    open(dir.path),
    open("/dev/zero"),
    open("/dev/urandom"),
    FD.adopt(check("memfd_create", libc.memfd_create(new Uint8Array(1), 0))),
  ];
  for (const file of files) assertEquals(code(() => set.add(stack.use(file), IN)), "EPERM");
  const path = stack.use(open("/", posix.O_PATH));
  assertEquals(code(() => set.add(path, IN)), "EBADF");
  assertEquals(code(() => set.add(path.raw, IN | ET)), "EBADF");
});

test("ltp: epoll_wait01, both ends of a pipe: OUT first, IN after a write", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.writer, OUT);
  assertEquals(reports(set), [[ends.writer.raw, OUT]]);
  set.delete(ends.writer);
  set.add(ends.reader, IN);
  assertEquals(count(set), 0);
  ends.writer.write(new Uint8Array(1));
  assertEquals(reports(set), [[ends.reader.raw, IN]]);
});

test("ltp: epoll_wait02 and 04, pwait03: timeouts with nothing ready", () => {
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN);
  for (const ms of [0, 1, 10, 33]) {
    const began = performance.now();
    assertEquals(count(set, ms), 0);
    assertGreaterOrEqual(performance.now() - began, ms);
  }
});

test("ltp: epoll_wait03, arguments", () => {
  using set = Epoll.create();
  set.close();
  assertThrows(() => set.wait(new EpollEvents(1), 0), ClosedError);
  for (const maxevents of [0, -1]) assertThrows(() => new EpollEvents(maxevents), RangeError);
});

test("ltp: epoll_wait05, the peer's shutdown is IN and RDHUP when asked for", () => {
  using set = Epoll.create();
  const [client, server] = connection();
  using stack = new DisposableStack();
  stack.use(client), stack.use(server);
  set.add(client, IN | RDHUP);
  assertEquals(count(set), 0);
  shutdownWrite(server);
  assertEquals(reports(set), [[client.raw, 0x2001]]);
});

test("ltp: epoll_wait06, edges of a pipe of one page", () => {
  using set = Epoll.create();
  using ends = pipe();
  const F_SETPIPE_SZ = 1031;
  const page = check("fcntl", libc.fcntl(ends.writer.raw, F_SETPIPE_SZ, 1), ends.writer.raw);
  set.add(ends.reader, IN | ET);
  set.add(ends.writer, OUT | ET);
  assertEquals(reports(set), [[ends.writer.raw, OUT]]);
  assertEquals(ends.writer.write(new Uint8Array(page)), page);
  assertEquals(reports(set), [[ends.reader.raw, IN]]);
  ends.reader.read(new Uint8Array(page / 2));
  assertEquals(count(set), 0, "half read is no edge for anybody");
  ends.reader.read(new Uint8Array(page / 2));
  assertEquals(reports(set), [[ends.writer.raw, OUT]]);
});

test("ltp: epoll_wait11, the writer is closed while a thread waits: HUP", async () => {
  await using thread = start();
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.reader, IN, 1);
  const waiting = thread.call("wait", set.share());
  await asleep(set);
  ends.writer.close();
  assertEquals(await waiting, [{ mask: 0x10, data: 1n }]);
});

test("ltp: epoll_wait12, the reader is closed while a thread waits: ERR", async () => {
  await using thread = start();
  using set = Epoll.create();
  using ends = pipe();
  set.add(ends.writer, IN, 1);
  const waiting = thread.call("wait", set.share());
  await asleep(set);
  ends.reader.close();
  assertEquals(await waiting, [{ mask: 0x8, data: 1n }]);
});

/** Sets with one pipe in all of them, and a thread asleep in each. */
async function crowd(
  threads: readonly TestWorker<EpollWorker>[],
  mask: number,
  act: (sets: Epoll[], waits: Promise<unknown>[], writer: FD) => Promise<void>,
): Promise<void> {
  using stack = new DisposableStack();
  const ends = stack.use(pipe());
  const sets = threads.map(() => stack.use(Epoll.create()));
  for (const set of sets) set.add(ends.reader, mask);
  const waits = threads.map((thread, index) => {
    const waiting = thread.call("wait", sets[index]!.share());
    return waiting.then(() => true, () => false);
  });
  for (const set of sets) await asleep(set);
  await act(sets, waits, ends.writer);
}

test("ltp: epoll_wait15 and 16, one pipe in 8 sets: all wake, with EXCLUSIVE some and not all", async () => {
  await using stack = new AsyncDisposableStack();
  const threads = Array.from({ length: 8 }, () => stack.use(start()));
  await crowd(threads, IN, async (_sets, waits, writer) => {
    writer.write(new Uint8Array(1));
    assertEquals(await Promise.all(waits), threads.map(() => true));
  });
  await crowd(threads, IN | EXCLUSIVE, async (sets, waits, writer) => {
    const sleeping = (): number => sets.filter((set) => sleepers(set.raw) > 0).length;
    writer.write(new Uint8Array(1));
    await waitUntil(() => sleeping() < 8, 10_000, "one is woken");
    await Promise.race(waits);
    assert(sleeping() > 0, "all were woken");
    for (const set of sets) set.close();
    const woken = (await Promise.all(waits)).filter((each) => each).length;
    assert(woken >= 1 && woken < 8, `${woken} were woken`);
  });
});

test("ltp: epoll_wait16, what EXCLUSIVE does not go with", () => {
  using set = Epoll.create();
  using inner = Epoll.create();
  using ends = pipe();
  assertEquals(code(() => set.add(ends.reader, IN | EXCLUSIVE | ONESHOT)), "EINVAL");
  assertEquals(code(() => set.add(inner, IN | EXCLUSIVE)), "EINVAL");
  set.add(ends.reader, IN | EXCLUSIVE);
  assertEquals(code(() => set.modify(ends.reader, IN)), "EINVAL");
  assertEquals(code(() => set.modify(ends.reader, IN | EXCLUSIVE)), "EINVAL");
  assertEquals(code(() => set.rearm(ends.reader)), "EINVAL");
});
