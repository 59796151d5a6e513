// Programs that people use, on terminals of ours: they must not notice.

import fs from "node:fs";
import process from "node:process";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { running, Session } from "../console_fixture.ts";
import { hasCommand, tempDir, test } from "../support.ts";

const PROMPT = "ready> ";

/** The environment of a terminal that knows the sequences of xterm. */
const env = { ...process.env, TERM: "xterm", PS1: PROMPT, LC_ALL: "C", ENV: "", HISTFILE: "" };

function shell(): Session {
  const command = hasCommand("bash") ? ["bash", "--norc", "--noprofile", "-i"] : ["sh", "-i"];
  return new Session(command, { env: { ...env, TERM: "dumb" }, columns: 200 });
}

const withBash = (name: string, body: () => Promise<void>): void =>
  test.if(hasCommand("bash"), "there is no bash", name, body);

test("K12 sh: commands, a status, ^D", async () => {
  await using session = new Session(["sh", "-i"], { env });
  await session.until(PROMPT);
  session.type("echo $((6 * 7))\n");
  await session.until("\r\n42\r\n");
  session.type("(exit 9)\n");
  await session.until(PROMPT);
  await session.until(PROMPT);
  session.type("\x04");
  await session.end();
  assertEquals(await session.status(), 9);
});

test("K12 the size arrives: at the start, and at a resize with SIGWINCH", async () => {
  const script = "trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.05; done";
  await using session = new Session(["sh", "-c", script], { columns: 81, rows: 25 });
  await session.until("25 81\r\nready\r\n");
  session.child.console.resize({ columns: 132, rows: 43 });
  await session.until("43 132\r\n");
});

withBash("K12 ^C ends what runs in the foreground, and not the shell", async () => {
  await using session = shell();
  await session.until(PROMPT);
  session.type("sleep 60; echo status $?\n");
  await session.until("echo status $?\r\n");
  await running(session, "sleep");
  session.type("\x03");
  await session.until(PROMPT);
  session.type("echo still $(echo here)\n");
  await session.until("still here\r\n");
});

withBash("K12 job control: ^Z stops, bg and fg go on, jobs tells", async () => {
  await using session = shell();
  await session.until(PROMPT);
  session.type("cat\n");
  await session.until("cat\r\n");
  await running(session, "cat");
  session.type("one\n");
  await session.until("one\r\none\r\n"); // echoed, and by cat
  session.type("\x1a");
  await session.until(/Stopped +cat/);
  await session.until(PROMPT);
  session.type("jobs -l | wc -l; fg\n");
  await session.until("\r\n1\r\n");
  await session.until("cat\r\n");
  session.type("two\n");
  await session.until("two\r\ntwo\r\n");
  session.type("\x04");
  await session.until(PROMPT);
  session.type("sleep 60 & kill %1; wait; echo over\n");
  await session.until("\r\nover\r\n");
});

withBash("K12 ^\\ dumps, and a program in the background that reads is stopped", async () => {
  await using session = shell();
  await session.until(PROMPT);
  session.type("ulimit -c 0; sleep 60\n");
  await session.until("sleep 60\r\n");
  await running(session, "sleep");
  session.type("\x1c");
  await session.until("Quit");
  await session.until(PROMPT);
  session.type("cat &\n");
  await session.until("cat &\r\n");
  await session.until(PROMPT);
  session.type("until jobs -s | grep -q cat; do sleep 0.02; done; jobs\n");
  await session.until(/Stopped.*cat/);
  // The shell must know of its end, or it would not leave a job behind that has stopped.
  session.type("kill -9 %1; while kill -0 $! 2>/dev/null; do sleep 0.01; done; exit 4\n");
  await session.end();
  assertEquals(await session.status(), 4);
});

test.if(hasCommand("python3"), "there is no python3", "K12 python3 -i", async () => {
  await using session = new Session(["python3", "-i", "-q"], { env: { ...env, TERM: "dumb" } });
  await session.until(">>> ");
  session.type(
    "import os, sys; print(6 * 7, sys.stdin.isatty(), os.get_terminal_size().columns)\n",
  );
  await session.until("42 True 80\r\n");
  session.type("exec('print(6 * 9)\\nwhile True: pass')\n");
  await session.until("54\r\n"); // before that, ^C would end what reads the line
  session.type("\x03");
  await session.until("KeyboardInterrupt");
  await session.until(">>> ");
  session.type("os.getpid() == os.getsid(0)\n");
  await session.until("True\r\n");
  session.type("exit(5)\n");
  await session.end();
  assertEquals(await session.status(), 5);
});

test.if(hasCommand("vim"), "there is no vim", "K12 vim -u NONE edits a file", async () => {
  using dir = tempDir();
  const file = `${dir.path}/text`;
  await using session = new Session(["vim", "-u", "NONE", "-n", file], { env });
  await session.until("[New");
  session.type("ihello from vim\x1b");
  await session.until("hello from vim");
  session.type(":wq\r");
  await session.end();
  assertEquals([await session.status(), fs.readFileSync(file, "utf8")], [0, "hello from vim\n"]);
  assertStringIncludes(session.shown, "\x1b[?1049h"); // the alternate screen
});

test.if(hasCommand("nano"), "there is no nano", "K12 nano edits a file", async () => {
  using dir = tempDir();
  const file = `${dir.path}/text`;
  await using session = new Session(["nano", "-I", file], { env });
  await session.until("New File");
  session.type("hello from nano\n");
  await session.until("hello from nano");
  session.type("\x0f"); // write out
  await session.until("File Name to Write");
  session.type("\r");
  await session.until("Wrote 1 line");
  session.type("\x18");
  await session.end();
  assertEquals(await session.status(), 0);
  assertMatch(fs.readFileSync(file, "utf8"), /^hello from nano\n/);
});

test.if(hasCommand("top"), "there is no top", "K12 top -b, and top until q", async () => {
  await using once = new Session(["top", "-b", "-n", "1"], { env });
  const shown = await once.end();
  assertEquals(await once.status(), 0);
  assertMatch(shown, /PID +USER/);
  await using screen = new Session(["top", "-d", "0.2"], { env, columns: 100, rows: 30 });
  await screen.until(/PID +USER/);
  await screen.until("\x1b[H"); // it goes to the top and draws again
  screen.type("q");
  await screen.end();
  assertEquals(await screen.status(), 0);
});
