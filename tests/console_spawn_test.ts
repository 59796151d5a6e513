import fs from "node:fs";
import process from "node:process";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Console } from "../handles/console.ts";
import type { ConsoleChild } from "../handles/console_child.ts";
import { FD } from "../handles/fd.ts";
import { PidFD } from "../handles/pid_fd.ts";
import { pipe } from "../handles/pipe.ts";
import { TimerFD } from "../handles/timer_fd.ts";
import { Session, take } from "./console_fixture.ts";
import { isZombie } from "./children.ts";
import { tempDir, test, waitUntil } from "./support.ts";

test("K12 spawn: a session of its own with the slave as its controlling terminal", async () => {
  await using session = new Session(["sh", "-c", "tty; stty size; ps -o pid=,sid=,tpgid= -p $$"]);
  const shown = await session.end();
  const { pid } = session.child;
  const [terminal, size, ids] = shown.trim().split("\r\n");
  assertEquals([terminal, size], [session.child.console.path, "24 80"]);
  assertEquals(ids!.trim().split(/\s+/).map(Number), [pid, pid, pid]);
  assertEquals(await session.status(), 0);
});

test("K12 spawn: three descriptors, no blocked signal and no ignored one", async () => {
  using ends = pipe({ inherit: true });
  assert(!ends.reader.cloexec);
  const script = "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status";
  await using session = new Session(["sh", "-c", script]);
  const shown = await session.end();
  assertMatch(shown, /^0 1 2 3 /); // 3 is what ls itself has open
  assert(!/^0 1 2 3 4/.test(shown), shown);
  assertEquals(shown.match(/0000000000000000/g)?.length, 2);
});

test("K12 spawn: arguments, environment and directory arrive as they are", async () => {
  using dir = tempDir();
  const odd = ["", " ", "ä€😀", "a\nb", "'\"$(x)", "x".repeat(5000)];
  const env = { EMPTY: "", ODD: "a=b=c", GONE: undefined, PATH: process.env.PATH };
  const script =
    'for a; do printf "[%s]" "$a"; done; printf "|%s|%s|%s|" "$EMPTY" "$ODD" "${GONE-no}"; pwd';
  await using session = new Session(["sh", "-c", script, "sh", ...odd], { env, cwd: dir.path });
  const shown = (await session.end()).replaceAll("\r\n", "\n");
  assertEquals(shown, `${odd.map((word) => `[${word}]`).join("")}||a=b=c|no|${dir.path}\n`);
});

test("K12 spawn: the PATH that is searched is the program's own; a slash is a path", async () => {
  using dir = tempDir();
  const file = `${dir.path}/its-name`;
  fs.writeFileSync(file, "#!/bin/sh\necho found $0\n", { mode: 0o755 });
  fs.mkdirSync(`${dir.path}/first/its-name`, { recursive: true });
  const PATH = `relative:/nowhere:${dir.path}/first:${dir.path}`;
  await using found = new Session(["its-name"], { env: { PATH } });
  assertEquals(await found.end(), `found ${file}\r\n`);
  await using relative = new Session(["./its-name"], { cwd: dir.path });
  assertEquals(await relative.end(), "found ./its-name\r\n");
  for (const env of [{}, { PATH: "" }, { PATH: "/nowhere" }]) {
    const error = assertThrows(() => Console.spawn(["its-name"], { env }), SyscallError);
    assertEquals(error.code, "ENOENT");
  }
  fs.chmodSync(file, 0o644);
  for (const PATH of [dir.path, `${dir.path}:/nowhere`]) {
    const error = assertThrows(() => Console.spawn(["its-name"], { env: { PATH } }), SyscallError);
    assertEquals(error.code, "EACCES");
  }
});

test("K12 spawn: what fails in the child is this call's error, and nothing stays", () => {
  using dir = tempDir();
  const notExecutable = `${dir.path}/data`;
  fs.writeFileSync(notExecutable, "");
  const noShebang = `${dir.path}/text`;
  fs.writeFileSync(noShebang, "echo text\n", { mode: 0o755 });
  const wrong: [argv: string[], options: { cwd?: string }, code: string, says: string][] = [
    [["nosuch-program"], {}, "ENOENT", '"nosuch-program" is not there'],
    [[`${dir.path}/nosuch`], {}, "ENOENT", "is not there"],
    [[dir.path], {}, "EACCES", "may not be executed"],
    [[notExecutable], {}, "EACCES", "may not be executed"],
    [[noShebang], {}, "ENOEXEC", "is no program"],
    [["true", "x".repeat(1 << 20)], {}, "E2BIG", "too many arguments"],
    [["true"], { cwd: `${dir.path}/nosuch` }, "ENOENT", "nosuch"],
  ];
  for (const [argv, options, code, says] of wrong) {
    const error = assertThrows(() => Console.spawn(argv, options), SyscallError, says);
    assertEquals([argv[0], error.code], [argv[0], code]);
  }
});

test("X03 K12 spawn: arguments are checked before anything is opened", () => {
  const wrong: [() => unknown, typeof TypeError | typeof RangeError][] = [
    [() => Console.spawn([]), TypeError],
    [() => Console.spawn("ls" as never), TypeError],
    [() => Console.spawn([""]), TypeError],
    [() => Console.spawn([1] as never), TypeError],
    [() => Console.spawn(["a\0b"]), TypeError],
    [() => Console.spawn(["true"], 1 as never), TypeError],
    [() => Console.spawn(["true"], { env: { "a=b": "" } }), TypeError],
    [() => Console.spawn(["true"], { env: { "": "" } }), TypeError],
    [() => Console.spawn(["true"], { env: { A: 1 } } as never), TypeError],
    [() => Console.spawn(["true"], { env: { A: "\0" } }), TypeError],
    [() => Console.spawn(["true"], { env: null } as never), TypeError],
    [() => Console.spawn(["true"], { cwd: 1 } as never), TypeError],
    [() => Console.spawn(["true"], { columns: 65536 }), RangeError],
    [() => Console.spawn(new Array(3) as never), TypeError],
  ];
  for (const [call, kind] of wrong) assertThrows(call, kind);
});

/** The pids of this process's children, in no order that has a meaning. */
function children(): string[] {
  return fs.readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = fs.readFileSync(`/proc/${name}/stat`, "utf8");
      return Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0]) === process.pid;
    } catch {
      return false; // it has ended
    }
  });
}

async function untilShown(child: ConsoleChild, text: string): Promise<void> {
  let shown = "";
  await waitUntil(() => (shown += take(child.console) ?? "").includes(text), 5000, text);
}

test("K12 spawn: with no descriptor left it says so, and nothing stays", async () => {
  const taken: FD[] = [];
  using room = TimerFD.create();
  const limit = fs.readFileSync("/proc/self/limits", "utf8");
  const most = Number(/^Max open files +(\d+)/m.exec(limit)![1]);
  if (most > 100_000) return; // filling it would take long
  const deaf = Console.spawn(["sh", "-c", "trap '' HUP; echo ready; exec sleep 60"]);
  await untilShown(deaf, "ready");
  using again = PidFD.open(deaf.pid);
  deaf.close(); // each spawn looks from now on whether it can be reaped
  const before = children();
  try {
    for (;;) taken.push(FD.duplicate(room.raw));
  } catch {
    // full
  }
  for (let free = 0; free < 3; free++) {
    const error = assertThrows(() => Console.spawn(["true"]), SyscallError);
    assertEquals(error.code, "EMFILE");
    taken.pop()?.close();
  }
  for (const copy of taken) copy.close();
  assertEquals(children().filter((pid) => !before.includes(pid)), []);
  again.sendSignal("SIGKILL");
  await waitUntil(() => isZombie(deaf.pid), 5000, "its end");
  await using _next = Console.spawn(["true"]);
  assert(!fs.existsSync(`/proc/${deaf.pid}`));
});

test("K12 a child that ignores SIGHUP is killed in the end; one that heeds it is not waited for", async () => {
  const heeds = new Session(["sh", "-c", "echo ready; exec sleep 60"]);
  await heeds.until("ready");
  await heeds[Symbol.asyncDispose]();
  const deaf = new Session(["sh", "-c", "trap '' HUP; echo ready; exec sleep 60"]);
  await deaf.until("ready");
  const { pid } = deaf.child;
  await deaf[Symbol.asyncDispose]();
  assert(!fs.existsSync(`/proc/${pid}`));
});

test("K12 a child that goes on after close() is reaped when the next one is started", async () => {
  const session = new Session(["sh", "-c", "trap '' HUP; echo ready; exec sleep 60"]);
  await session.until("ready");
  const { child } = session;
  const { pid } = child;
  child.close();
  child.close();
  process.kill(pid, "SIGKILL");
  await waitUntil(() => isZombie(pid), 5000, "it has ended");
  using _next = Console.spawn(["true"]);
  assert(!fs.existsSync(`/proc/${pid}`));
  await waitUntil(() => _next.process.exitStatus() !== null, 5000, "the next one has ended, too");
});
