import { spawnSync } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { ClosedError } from "../handles/closed_error.ts";
import { Console } from "../handles/console.ts";
import { FD } from "../handles/fd.ts";
import { pipe } from "../handles/pipe.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { encode, Session, stty, take, takeAll } from "./console_fixture.ts";
import { flagsOf } from "./probes.ts";
import {
  hasCommand,
  root,
  runtimeArguments,
  spawnScript,
  startScript,
  tempDir,
  test,
} from "./support.ts";

test("K12 openPty: both sides non-blocking and closed on exec, with a size, under one name", () => {
  using pty = Console.openPty({ columns: 132, rows: 43, widthPixels: 1320, heightPixels: 860 });
  for (const side of [pty.master, pty.slave]) {
    assertEquals(flagsOf(side), { nonblock: true, cloexec: true });
    const size = { columns: 132, rows: 43, widthPixels: 1320, heightPixels: 860 };
    assertEquals(side.size(), size);
  }
  assertEquals([pty.master.master, pty.slave.master], [true, false]);
  assertEquals(pty.master.path, pty.slave.path);
  assertEquals(fs.readlinkSync(`/proc/self/fd/${pty.slave.raw}`), pty.slave.path);
  assertEquals(`${pty.slave[Symbol.toStringTag]}`, "Console");
});

test("K12 openPty: without a size it is 0 by 0; blocking as asked", () => {
  using pty = Console.openPty({ blocking: true });
  assertEquals(pty.slave.size(), { columns: 0, rows: 0, widthPixels: 0, heightPixels: 0 });
  for (const side of [pty.master, pty.slave]) {
    assertEquals(flagsOf(side), { nonblock: false, cloexec: true });
    side.setNonblock(true);
    assertEquals(flagsOf(side).nonblock, true);
  }
});

test("K12 bytes both ways; would-block is null, the end is 0, and a new slave takes over", () => {
  using pty = Console.openPty();
  const { master, slave } = pty;
  assertEquals([take(master), take(slave)], [null, null]);
  assertEquals(slave.write(encode("out\n")), 4);
  assertEquals(takeAll(master), "out\r\n");
  assertEquals(master.write(encode("in\n")), 3);
  assertEquals([take(slave), takeAll(master, 4)], ["in\n", "in\r\n"]); // echoed
  assertEquals(slave.write(encode("last")), 4);
  const path = slave.path!;
  slave.close();
  assertEquals([take(master), take(master), take(master)], ["last", "", ""]);
  using again = FD.adopt(fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY));
  assertEquals(take(master), null);
  again.write(encode("back\n"));
  assertEquals(takeAll(master), "back\r\n");
});

test("K12 the master closes: the slave is hung up, reads the end and cannot write", () => {
  using pty = Console.openPty();
  pty.master.close();
  assertEquals(take(pty.slave), "");
  const error = assertThrows(() => pty.slave.write(encode("x")), SyscallError);
  assertEquals(error.code, "EIO");
});

test("K12 a size set on either side is seen by the other; resizeFrom takes pixels, too", () => {
  using pty = Console.openPty({ columns: 80, rows: 24 });
  using other = Console.openPty();
  pty.master.resize({ columns: 100, rows: 30, widthPixels: 7, heightPixels: 9 });
  assertEquals(stty(pty.slave, "size"), "30 100");
  pty.slave.resize({ columns: 65535, rows: 0 });
  const extreme = { columns: 65535, rows: 0, widthPixels: 0, heightPixels: 0 };
  assertEquals(pty.master.size(), extreme);
  pty.master.resize({ columns: 5, rows: 6, widthPixels: 7, heightPixels: 8 });
  other.master.resizeFrom(pty.slave);
  assertEquals(other.slave.size(), pty.master.size());
});

test("K12 setRaw, disableEcho, setOnlcr: as stty sees them; reset puts everything back", () => {
  using pty = Console.openPty();
  const begin = stty(pty.slave, "--save");
  pty.slave.disableEcho();
  assert(stty(pty.slave, "-a").includes(" -echo "));
  pty.slave.setOnlcr(false);
  assert(stty(pty.slave, "-a").includes(" -onlcr "));
  pty.slave.setOnlcr(true);
  assert(stty(pty.slave, "-a").includes(" onlcr "));
  pty.slave.setRaw();
  const raw = stty(pty.slave, "-a");
  for (const flag of ["-icanon", "-isig", "-iexten", "-echo", "-opost", "-icrnl", "-ixon", "cs8"]) {
    assert(raw.includes(flag), `${flag} in ${raw}`);
  }
  assert(raw.includes("min = 1; time = 0"));
  pty.slave.reset();
  assertEquals(stty(pty.slave, "--save"), begin);
  stty(pty.slave, "-echo"); // somebody else's change
  pty.master.reset();
  assertEquals(stty(pty.slave, "--save"), begin);
});

test("K12 close puts back what the handle changed, and nothing that others did", () => {
  using pty = Console.openPty();
  const begin = stty(pty.slave, "--save");
  {
    using changing = Console.fromFd(pty.slave.raw);
    changing.setRaw();
    assert(stty(pty.slave, "--save") !== begin);
  }
  assertEquals(stty(pty.slave, "--save"), begin);
  {
    using _looking = Console.fromFd(pty.slave.raw);
    stty(pty.slave, "-echo");
  }
  assert(stty(pty.slave, "-a").includes(" -echo "));
});

test("K12 close puts back also what a copy changed", () => {
  using pty = Console.openPty();
  const begin = stty(pty.slave, "--save");
  const here = Console.fromFd(pty.slave.raw);
  const there = Console.from(structuredClone(here.share()));
  there.setRaw();
  assertEquals([there.master, there.path], [false, pty.slave.path]);
  here.close();
  assertEquals([stty(pty.slave, "--save"), there.closed], [begin, true]);
  assertThrows(() => there.reset(), ClosedError);
});

test("K12 fromFd: a handle of its own, masters known as such, other files refused", () => {
  using pty = Console.openPty();
  for (const side of [pty.master, pty.slave]) {
    using copy = Console.fromFd(side.raw);
    assert(copy.raw !== side.raw);
    assertEquals([copy.master, flagsOf(copy).cloexec], [side.master, true]);
  }
  assert(pty.slave.valid);
  using ends = pipe();
  for (const [number, code] of [[ends.reader.raw, "ENOTTY"], [987654, "EBADF"]] as const) {
    assertStrictEquals(assertThrows(() => Console.fromFd(number), SyscallError).code, code);
  }
});

test("I02 K12 every call on a closed console says so", () => {
  const pty = Console.openPty();
  pty[Symbol.dispose]();
  pty[Symbol.dispose]();
  const { slave } = pty;
  const size = { columns: 1, rows: 1 };
  const calls: (() => unknown)[] = [
    () => slave.read(new Uint8Array(1)),
    () => slave.write(new Uint8Array(1)),
    () => slave.size(),
    () => slave.resize(size),
    () => slave.resizeFrom(slave),
    () => slave.setRaw(),
    () => slave.disableEcho(),
    () => slave.setOnlcr(true),
    () => slave.reset(),
    () => slave.setNonblock(true),
    () => slave.path,
    () => slave.share(),
  ];
  for (const call of calls) assertThrows(call, ClosedError, "Console");
});

test("X03 K12 arguments are checked before any call", () => {
  using pty = Console.openPty();
  const wrong: [() => unknown, typeof TypeError | typeof RangeError][] = [
    [() => Console.openPty({ columns: -1 }), RangeError],
    [() => Console.openPty({ rows: 65536 }), RangeError],
    [() => Console.openPty({ columns: 1.5 }), RangeError],
    [() => Console.openPty({ columns: "80" } as never), TypeError],
    [() => Console.openPty({ blocking: 1 } as never), TypeError],
    [() => Console.openPty(null as never), TypeError],
    [() => pty.master.resize({ columns: 1 } as never), TypeError],
    [() => pty.master.resize(80 as never), TypeError],
    [() => pty.master.resizeFrom({} as never), TypeError],
    [() => pty.master.setOnlcr(1 as never), TypeError],
    [() => pty.master.read("x" as never), TypeError],
    [() => Console.fromFd(-1), RangeError],
    [() => Console.fromFd("0" as never), TypeError],
    [() => Console.from({} as never), TypeError],
    [() => Console.from({ ...pty.master.share(), state: new SharedArrayBuffer(1) }), TypeError],
  ];
  for (const [call, kind] of wrong) assertThrows(call, kind);
});

/** Changes the settings of a terminal that is not its own, and ends in one of several ways. */
const CHANGING = `
  import fs from "node:fs";
  import process from "node:process";
  import { Console } from "@fdloop/fdloop";
  const [path, how] = process.argv.slice(-2);
  const number = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  const terminal = Console.fromFd(number);
  terminal.setRaw();
  console.log("raw");
  for await (const _ of process.stdin) break;
  if (how === "throw") throw new Error("on purpose");
  if (how === "exit") process.exit(0);
`;

for (const how of ["end", "exit", "throw"]) {
  test(`K12 settings are put back when the program exits: ${how}`, async () => {
    using pty = Console.openPty();
    const begin = stty(pty.slave, "--save");
    await using script = startScript(CHANGING, { args: [pty.slave.path!, how] });
    assertEquals(await script.line(), "raw");
    assert(stty(pty.slave, "-a").includes("-icanon"));
    script.write("go\n");
    script.end();
    const { code } = await script.result;
    assertEquals([code === 0, stty(pty.slave, "--save")], [how !== "throw", begin]);
  });
}

/** Changes them by a second handle, too, which was made when they were changed already. */
const NESTED = `
  import process from "node:process";
  import fs from "node:fs";
  import { Console } from "@fdloop/fdloop";
  const number = fs.openSync(process.argv.at(-1), fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  Console.fromFd(number).setRaw();
  Console.fromFd(number).setOnlcr(true);
`;

/** Another thread changes them, and this one ends the program. */
const THREADS = `
  import process from "node:process";
  import fs from "node:fs";
  import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
  import { Console } from "@fdloop/fdloop";
  if (isMainThread) {
    const number = fs.openSync(process.argv.at(-1), fs.constants.O_RDWR | fs.constants.O_NOCTTY);
    const workerData = Console.fromFd(number).share();
    const thread = new Worker(new URL(import.meta.url), { workerData });
    thread.on("message", (raw) => process.exit(raw === "raw" ? 0 : 1));
  } else {
    Console.from(workerData).setRaw();
    parentPort.postMessage("raw");
    setTimeout(() => {}, 60_000);
  }
`;

for (
  const [changed, program] of [
    ["two handles changed is put back as it was before both", NESTED],
    ["a copy on another thread changed is put back when the program exits", THREADS],
  ] as const
) {
  test(`K12 what ${changed}`, async () => {
    using pty = Console.openPty();
    const begin = stty(pty.slave, "--save");
    const { code } = await spawnScript(program, { args: [pty.slave.path!] });
    assertEquals([code, stty(pty.slave, "--save")], [0, begin]);
  });
}

/** Goes on after an error that a listener takes, which came later than the change. */
const SURVIVING = `
  import process from "node:process";
  import fs from "node:fs";
  import { spawnSync } from "node:child_process";
  import { Console, Loop } from "@fdloop/fdloop";
  import { makePoller } from "FIXTURE";
  const path = process.argv.at(-1);
  const stty = () => spawnSync("stty", ["-F", path, "-a"], { encoding: "utf8" }).stdout;
  const number = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  const terminal = Console.fromFd(number);
  makePoller(Loop.create()).add(terminal);
  terminal.setRaw();
  const isSame = () => stty().includes("-icanon") && terminal.read(new Uint8Array(1)) === null;
  process.once("uncaughtException", () => {});
  process.once("unhandledRejection", () => {});
  setTimeout(() => {
    setTimeout(() => console.log("error", isSame()), 1);
    throw new Error("on purpose");
  }, 1);
  setTimeout(() => {
    setTimeout(() => {
      console.log("rejection", isSame());
      process.exit(0);
    }, 1);
    Promise.reject(new Error("on purpose"));
  }, 100);
`;

test("K12 an error that does not end the program leaves the settings changed", async () => {
  using pty = Console.openPty();
  const begin = stty(pty.slave, "--save");
  const fixture = new URL("./console_fixture.ts", import.meta.url).href;
  const script = SURVIVING.replace("FIXTURE", fixture);
  const { stdout } = await spawnScript(script, { args: [pty.slave.path!] });
  assertEquals(stdout, "error true\nrejection true\n");
  assertEquals(stty(pty.slave, "--save"), begin);
});

const CURRENT = `
  import { Console, FD } from "@fdloop/fdloop";
  try {
    const terminal = Console.current();
    terminal.setRaw();
    const standard = [0, 1, 2].map((number) => FD.duplicate(number).nonblock);
    console.log([terminal.path, terminal.size().columns, FD.duplicate(terminal.raw).nonblock, ...standard].join());
    terminal.close();
  } catch (error) {
    console.log(error.code);
  }
`;

function scriptOf(source: string): { readonly argv: string[] } & Disposable {
  const dir = tempDir();
  const file = `${dir.path}/script.ts`;
  fs.writeFileSync(file, source);
  return {
    argv: [process.execPath, ...runtimeArguments(file, {})],
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

test("K12 current: the terminal of the program, non-blocking without making stdin so", async () => {
  using script = scriptOf(CURRENT);
  await using session = new Session(script.argv, { columns: 99, cwd: fileURLToPath(root) });
  const path = session.child.console.path;
  await session.until(`${path},99,true,false,false,false\n`);
  assertEquals(await session.status(), 0);
  assert(stty(session.child.console, "-a").includes(" icanon"));
});

test.if(hasCommand("setsid"), "there is no setsid(1)", "K12 current: no terminal is ENXIO", () => {
  using script = scriptOf(CURRENT);
  const { stdout } = spawnSync("setsid", ["-w", ...script.argv], {
    cwd: fileURLToPath(root),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  assertEquals(stdout, "ENXIO\n");
});
