import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor, disown, isAlone } from "../handles/descriptor.ts";
import { FD } from "../handles/fd.ts";
import { pipe } from "../handles/pipe.ts";
import { tempDir, test, turn, waitUntil, worker } from "./support.ts";
import type { DescriptorWorker } from "./descriptor_worker.ts";

const start = () => worker<DescriptorWorker>(new URL("./descriptor_worker.ts", import.meta.url));

function open(path: string): number {
  return libc.open(new TextEncoder().encode(`${path}\0`), posix.O_RDWR, 0);
}

const isOpen = (number: number): boolean => libc.fcntl(number, posix.F_GETFD, 0) !== -1;

test("I01 all copies of a shared handle are one: closing any closes all, once", () => {
  const number = open("/dev/null");
  const first = FD.adopt(number);
  const second = FD.from(structuredClone(first.share()));
  const third = FD.from(second.share());
  assertEquals([first.raw, second.raw, third.raw], [number, number, number]);
  third.close();
  assertEquals([first.raw, second.raw, third.raw], [-1, -1, -1]);
  assert(!isOpen(number));
  const next = open("/dev/null");
  assertEquals(next, number);
  first.close();
  second.close();
  assert(isOpen(next), "the number's next owner is untouched");
  libc.close(next);
  assertThrows(() => first.share(), ClosedError);
});

test("I01 a handle is made only of the shared form of its own class", () => {
  using fd = FD.adopt(open("/dev/null"));
  const shared = fd.share();
  for (const bad of [undefined, null, 3, {}, { kind: "FD" }, { ...shared, cell: 3 }]) {
    assertThrows(() => FD.from(bad as never), TypeError, "FD.from takes what FD.share()");
  }
  assertThrows(() => FD.from({ ...shared, kind: "EventFD" }), TypeError, "a shared EventFD");
  const memory = new SharedArrayBuffer(128);
  assertThrows(() => FD.from({ kind: "FD", cell: memory }), TypeError, "FD.from");
});

test("I01 a worker closes a handle, and it is closed here", async () => {
  await using thread = start();
  const number = open("/dev/null");
  const fd = FD.adopt(number);
  assertEquals(await thread.call("close", fd.share()), true);
  assertEquals([fd.raw, fd.valid], [-1, false]);
  assert(!isOpen(number));
  assertThrows(() => fd.read(new Uint8Array(1)), ClosedError, "FD is closed");
});

test("I02 closed during a blocking read: the read ends normally, then the number is given back", async () => {
  await using thread = start();
  using ends = pipe({ blocking: true });
  const number = ends.reader.raw;
  const progress = new SharedArrayBuffer(4);
  const read = thread.call("readOnce", ends.reader.share(), progress);
  await waitUntil(() => new Int32Array(progress)[0] === 1, 5000, "the worker at its read");
  await waitUntil(() => isBlockedInRead(), 5000, "the worker inside read(2)");
  ends.reader.close();
  assertEquals([ends.reader.raw, ends.reader.closed], [-1, true]);
  assert(isOpen(number), "the call in flight still has the number");
  assertThrows(() => ends.reader.read(new Uint8Array(1)), ClosedError);
  ends.writer.write(new Uint8Array(3));
  assertEquals(await read, 3);
  assert(!isOpen(number), "the call that ended gave it back");
});

function position(number: number): number {
  return Number(/^pos:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${number}`, "utf8"))![1]);
}

/**
 * Opens files until one of them has a number, which comes free when the last call on it ends. The
 * kernel gives the lowest number that is free, so the ones below it are taken as well.
 */
function reopen(number: number, paths: readonly string[]): number[] {
  const opened: number[] = [];
  const end = performance.now() + 200;
  for (let turn = 0; performance.now() < end; turn++) {
    const next = open(paths[turn % paths.length]!);
    if (next > number) libc.close(next);
    else opened.push(next);
    if (next === number) break;
  }
  return opened;
}

/** Whether some thread of this process sleeps in read(2) on a pipe. */
function isBlockedInRead(): boolean {
  const here = "/proc/self/task";
  return readdirSync(here).some((task) => {
    try {
      return /pipe_read/.test(readFileSync(`${here}/${task}/wchan`, "utf8"));
    } catch {
      return false; // a thread that ended meanwhile
    }
  });
}

test("I02 X03 no call reaches a reused number while threads hammer a handle that is closed", async () => {
  await using crew = new AsyncDisposableStack();
  const threads = [crew.use(start()), crew.use(start()), crew.use(start())];
  await Promise.all(threads.map(({ ready }) => ready));
  using dir = tempDir();
  // Whoever reads one of these reads 0xff and moves its offset; whoever writes it leaves a W.
  const traps = Array.from({ length: 4 }, (_, index) => `${dir.path}/trap${index}`);
  const content = new Uint8Array(64).fill(0xff);
  for (const path of traps) writeFileSync(path, content);
  let reused = 0;
  for (let round = 0; round < 100; round++) {
    const fd = FD.adopt(open("/dev/zero"));
    const number = fd.raw;
    const progress = new SharedArrayBuffer(4 * threads.length);
    const results = threads.map((thread, index) =>
      thread.call("hammer", fd.share(), progress, index)
    );
    const calls = new Int32Array(progress);
    const busy = () => calls.every((_, index) => Atomics.load(calls, index) > 20);
    while (!busy()) await turn();
    fd.close();
    const opened = reopen(number, traps);
    assertEquals(await Promise.all(results), [0, 0, 0], "a stray byte was read");
    for (const trap of opened) {
      if (trap === number) reused++;
      assertEquals(position(trap), 0, "a stray read or write moved a file's offset");
      libc.close(trap);
    }
  }
  for (const path of traps) assertEquals(new Uint8Array(readFileSync(path)), content);
  assert(reused > 20, `the number was reused in ${reused} rounds, too few to prove anything`);
});

test("I17 handles are told from everything else by their class", () => {
  using ends = pipe();
  assert(ends.reader instanceof Descriptor);
  assertEquals(String(ends.reader), "[object FD]");
});

test("I01 a handle that is alone can be disowned: it is closed, and its number is open for the next owner", () => {
  const first = FD.adopt(open("/dev/null"));
  assertEquals(isAlone(first), true);
  const number = disown(first);
  assertEquals([first.raw, isAlone(first), isOpen(number)], [-1, false, true]);
  first.close();
  const next = FD.adopt(number);
  next.share();
  assertEquals(isAlone(next), false);
  next.close();
  assertEquals(isOpen(number), false);
});
