import { spawnSync } from "node:child_process";
import { assertEquals, assertThrows } from "@std/assert";
import { kqueueLibrary, libc, requirementOf } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { symbolOf } from "../ffi/symbols.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { hasCommand, spawnScript, tempDir, test } from "./support.ts";

test("I20 fstat(2) of Intel Macs is the one whose struct stands in the table", () => {
  assertEquals(symbolOf("fstat", "darwin", "x64"), "fstat$INODE64");
  for (const [os, arch] of [["darwin", "arm64"], ["linux", "x64"], ["freebsd", "x64"]] as const) {
    assertEquals(symbolOf("fstat", os, arch), "fstat");
  }
  assertEquals(symbolOf("ioctl_value", "darwin", "x64"), "ioctl");
});

test("C34 what a system does not have is refused with what does the same there", () => {
  assertEquals(requirementOf("timerfd_create"), "Linux; elsewhere use Loop.setTimer");
  assertEquals(requirementOf("eventfd"), "Linux; elsewhere Loop.post and LoopWaker wake a loop");
  assertEquals(requirementOf("pidfd_open"), "Linux; elsewhere use Loop.exited");
  assertEquals(requirementOf("memfd_create"), "Linux");
  assertEquals(requirementOf("kqueue"), "macOS or FreeBSD");
});

test.if(
  os === "linux" && kqueueLibrary() === "",
  "there is a kqueue here",
  "K13 kqueue(2) without a kernel and without a library",
  () => {
    const error = assertThrows(() => libc.kqueue(), UnsupportedError, "macOS or FreeBSD");
    assertEquals(error.feature, "kqueue(2)");
  },
);

test("K13 a library that is none, or has no kqueue, is named", async () => {
  for (const library of ["/nonexistent/libkqueue.so", "libm.so.6"]) {
    const { stdout, stderr } = await spawnScript(
      `
      import { Kqueue, Loop, UnsupportedError } from "@fdloop/fdloop";
      for (const open of [() => Kqueue.create(), () => Loop.create()]) {
        try {
          open();
        } catch (error) {
          console.log(error instanceof UnsupportedError, error.requires);
        }
      }
      `,
      { env: { FDLOOP_KQUEUE_LIB: library, FDLOOP_POLLER: "kqueue" } },
    );
    const line = `true a library that has it, and may be opened, at FDLOOP_KQUEUE_LIB (${library})`;
    assertEquals([stdout.trim().split("\n"), stderr], [[line, line], ""]);
  }
});

/** A library with a kqueue that is never made, and that says when it goes from memory. */
const SAYS_GOODBYE = `
  #include <errno.h>
  #include <unistd.h>
  int kqueue(void) { errno = ENOSYS; return -1; }
  int kevent(void) { errno = ENOSYS; return -1; }
  __attribute__((destructor)) static void gone(void) { write(1, "gone\\n", 5); }`;

test.if(
  os === "linux" && hasCommand("cc"),
  "no Linux, or no C compiler",
  "K13 a library stays until the program ends, whatever thread has opened it",
  async () => {
    using folder = tempDir();
    const library = `${folder.path}/libgoodbye.so`;
    const made = spawnSync("cc", ["-shared", "-fPIC", "-xc", "-", "-o", library], {
      input: SAYS_GOODBYE,
      encoding: "utf8",
    });
    assertEquals([made.stderr, made.status], ["", 0]);
    // A thread's library would go some time after the thread: by the end of the last, the first has.
    const { stdout, stderr, code } = await spawnScript(
      `
      import { once } from "node:events";
      import { isMainThread, Worker } from "node:worker_threads";
      import { Kqueue } from "@fdloop/fdloop";
      if (isMainThread) {
        for (let worker = 0; worker < 4; worker++) {
          await once(new Worker(new URL(import.meta.url)), "exit");
          console.log("ended");
        }
      } else {
        try {
          Kqueue.create();
        } catch (error) {
          console.log(error.code);
        }
      }`,
      { env: { FDLOOP_KQUEUE_LIB: library } },
    );
    // Deno takes it out at the very end, Bun ends without.
    const before = stdout.replace(/gone\n$/, "");
    assertEquals([before, stderr, code], ["ENOSYS\nended\n".repeat(4), "", 0]);
  },
);

test("K13 FDLOOP_POLLER has two values", async () => {
  const script = `
    import { Loop } from "@fdloop/fdloop";
    try {
      Loop.create().close();
      console.log("made");
    } catch (error) {
      console.log(String(error));
    }`;
  const said = async (FDLOOP_POLLER: string): Promise<string> =>
    (await spawnScript(script, { env: { FDLOOP_POLLER } })).stdout.trim();
  assertEquals(await said("epoll"), "made");
  assertEquals(
    await said("poll"),
    'RangeError: FDLOOP_POLLER must be "epoll" or "kqueue", got "poll"',
  );
});
