import { assert, assertEquals, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { type Feature, supports } from "../ffi/supports.ts";
import { hasKqueue } from "./kqueue_fixture.ts";
import { kernelAtLeast, root, spawnScript, test } from "./support.ts";

/** Since which kernel a feature is there, where nothing was taken away. */
const SINCE: Readonly<Record<Feature, [major: number, minor: number] | null>> = {
  epoll: [2, 6],
  epoll_pwait2: [5, 11],
  eventfd: [2, 6],
  timerfd: [2, 6],
  signalfd: [2, 6],
  signal_stub: [2, 6],
  memfd_create: [3, 17],
  MFD_NOEXEC_SEAL: [6, 3],
  pidfd_open: [5, 3],
  PIDFD_NONBLOCK: [5, 10],
  PIDFD_THREAD: [6, 9],
  pidfd_send_signal: [5, 1],
  pidfd_getfd: [5, 6],
  P_PIDFD: [5, 4],
  PIDFD_GET_INFO: [6, 13],
  close_range: [5, 9],
  kqueue: null,
};

const FEATURES = Object.keys(SINCE) as Feature[];

for (const feature of FEATURES) {
  const since = SINCE[feature];
  test(`C34 supports("${feature}") is what this kernel has, and leaves nothing open`, () => {
    const expected = feature === "kqueue" ? hasKqueue : since !== null && kernelAtLeast(...since);
    assertEquals(supports(feature), expected);
    assertEquals(supports(feature), supports(feature));
  });
}

test("C34 supports tries once, and remembers", () => {
  supports("eventfd");
  const eventfd = libc.eventfd;
  libc.eventfd = () => {
    throw new Error("tried again");
  };
  try {
    assertEquals(supports("eventfd"), true);
  } finally {
    libc.eventfd = eventfd;
  }
});

test("C34 supports refuses what it does not know, and lists what it does", () => {
  for (const bad of ["", "EPOLL", "toString", "__proto__", null, undefined, 3, {}, Symbol("x")]) {
    const { message } = assertThrows(() => supports(bad as never), TypeError, "supports");
    for (const feature of FEATURES) assert(message.includes(feature), message);
  }
  assertThrows(() => supports("pidfd" as never), TypeError, `got "pidfd"`);
});

/** Runs a script that imports what it needs, and answers what it prints as JSON. */
async function printed(script: string): Promise<unknown> {
  const { code, stdout, stderr } = await spawnScript(`
    import { errno, libc } from "${root}ffi/libc.ts";
    import { supports } from "${root}ffi/supports.ts";
    import { backend } from "${root}ffi/platform.ts";
    libc.getpid();
    ${script}
  `);
  assertEquals([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

test("C34 what is not there is false: calls that the kernel does not know", async () => {
  // A call of a number that no call has is what every call is to a kernel that is too old.
  const script = `
    const syscall = backend.bind("syscall", ["i32", "i32"]);
    const names = ["epoll_pwait2", "pidfd_open", "pidfd_send_signal", "pidfd_getfd", "close_range"];
    for (const name of [...names, "memfd_create", "eventfd"]) libc[name] = () => syscall(100_000);
    const asked = ["epoll_pwait2", "pidfd_open", "PIDFD_THREAD", "pidfd_send_signal", "pidfd_getfd",
      "P_PIDFD", "PIDFD_GET_INFO", "close_range", "memfd_create", "MFD_NOEXEC_SEAL", "eventfd"];
    console.log(JSON.stringify(asked.filter((feature) => supports(feature))));
  `;
  assertEquals(await printed(script), []);
});

test("C34 what is not there is false: flags that the kernel does not know, and missing symbols", async () => {
  const script = `
    import { UnsupportedError } from "${root}ffi/unsupported.ts";
    libc.pidfd_open(0, 0); // binds it
    libc.memfd_create(null, 0);
    const { pidfd_open, memfd_create } = libc;
    libc.pidfd_open = (pid, flags) => pidfd_open(pid, flags === 0 ? 0 : 1);
    libc.memfd_create = (name, flags) => memfd_create(name, flags & 8 ? 0x8000 : flags);
    libc.close_range = () => { throw new UnsupportedError("close_range(3)", "a libc that has it"); };
    const asked = ["pidfd_open", "PIDFD_THREAD", "PIDFD_NONBLOCK", "memfd_create",
      "MFD_NOEXEC_SEAL", "close_range"];
    console.log(JSON.stringify(asked.filter((feature) => supports(feature))));
  `;
  assertEquals(await printed(script), ["pidfd_open", "memfd_create"]);
});

test("C34 without a descriptor left nothing is found out, and nothing is remembered", async () => {
  const script = `
    import { limitDescriptors } from "${root}tests/descriptor_limit.ts";
    limitDescriptors(3);
    const outcomes = ["epoll", "eventfd", "timerfd", "signalfd", "memfd_create", "PIDFD_GET_INFO"]
      .map((feature) => {
        try { return supports(feature); } catch (error) { return error.name + " " + error.code; }
      });
    limitDescriptors(4096);
    console.log(JSON.stringify([...new Set(outcomes), supports("epoll"), supports("eventfd")]));
  `;
  assertEquals(await printed(script), ["SyscallError EMFILE", true, true]);
});
