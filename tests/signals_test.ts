import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { os } from "../ffi/platform.ts";
import { SIGNAL_TABLE, signalName, signalNumber } from "../ffi/signals.ts";
import { hasCommand, root, spawnScript, test } from "./support.ts";

const onLinux = os === "linux";

test("signals: the numbers are those that the runtime knows", () => {
  const known = Object.entries(constants.signals).filter(([name]) => name in SIGNAL_TABLE);
  assert(known.length >= 30, `the runtime knows only ${known.length}`);
  for (const [name, number] of known) assertEquals(signalNumber(name), number, name);
});

test.if(
  onLinux && hasCommand("bash"),
  "there is no bash on Linux",
  "signals: the names are those of kill -l",
  () => {
    const { stdout } = spawnSync("bash", ["-c", "kill -l"], { encoding: "utf8" });
    const listed = Array.from(stdout.matchAll(/(\d+)\) (\S+)/g));
    assertEquals(listed.length, 62);
    for (const [, number, name] of listed) {
      assertEquals(signalName(Number(number)), name);
      assertEquals(signalNumber(name!), Number(number));
    }
  },
);

test("signals: other names of a signal lead to its number, and its number to the first name", () => {
  assertEquals(signalName(signalNumber("SIGIOT")), "SIGABRT");
  if (!onLinux) return;
  assertEquals(signalName(signalNumber("SIGCLD")), "SIGCHLD");
  assertEquals(signalName(signalNumber("SIGPOLL")), "SIGIO");
});

test.if(onLinux, "the range is Linux's", "signals: numbers from 1 to 64 are signals", () => {
  for (let number = 1; number <= 64; number++) assertEquals(signalNumber(number), number);
  // glibc has no name for the two that it keeps for itself.
  assertEquals(signalName(32), "signal 32");
  assertEquals(signalName(33), "signal 33");
  assertEquals(signalName(65), "signal 65");
});

test.if(onLinux, "the range is glibc's", "signals: real-time signals count from both ends", () => {
  const numbers = [
    "SIGRTMIN",
    "SIGRTMIN+0",
    "SIGRTMIN+30",
    "SIGRTMAX-30",
    "SIGRTMAX-0",
    "SIGRTMAX",
  ];
  assertEquals(numbers.map(signalNumber), [34, 34, 64, 34, 64, 64]);
  for (const name of ["SIGRTMIN+31", "SIGRTMAX-31", "SIGRTMIN-1", "SIGRTMAX+1", "SIGRTMIN+1000"]) {
    assertThrows(() => signalNumber(name), RangeError, name);
  }
});

test("signals: what is no signal is refused in words", () => {
  const range = onLinux ? "signals are whole numbers from 1 to 64" : "signals are whole numbers";
  for (const number of [0, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53]) {
    assertThrows(() => signalNumber(number), RangeError, range);
  }
  for (const name of ["", "TERM", "sigterm", "SIGFOO", "SIGRTMIN+", "SIGRTMIN+ 1", "toString"]) {
    assertThrows(() => signalNumber(name), RangeError, JSON.stringify(name));
  }
  for (const value of [undefined, null, 15n, {}, [15], Symbol("SIGTERM"), true]) {
    assertThrows(() => signalNumber(value as string), TypeError, 'a name such as "SIGTERM"');
  }
});

test("signals: on a system that no table knows, every number is refused in words", async () => {
  const { stdout, stderr } = await spawnScript(`
    import process from "node:process";
    delete globalThis.Deno;
    process.getBuiltinModule = undefined; // by which Bun is recognised
    const { signalName, signalNumber } = await import("${root}ffi/signals.ts");
    for (const signal of [15, 0, "SIGTERM"]) {
      try { console.log(signalNumber(signal)); } catch (error) { console.log(error.message); }
    }
    console.log(signalName(15));`);
  assertEquals(stderr, "");
  assertEquals(stdout.trim().split("\n"), [
    "signal 15 is not known: fdloop knows the signals of Linux, macOS and FreeBSD",
    "signal 0 is not known: fdloop knows the signals of Linux, macOS and FreeBSD",
    'signal "SIGTERM" does not exist on this system: names are such as "SIGTERM" and "SIGUSR1"',
    "signal 15",
  ]);
});
