// The examples that have to do with terminals, on terminals of ours.

import fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { running, Session, stty } from "../console_fixture.ts";
import { root, runtimeArguments, spawnScript, tempDir, test, waitUntil } from "../support.ts";

const example = (name: string): string => fileURLToPath(new URL(`examples/${name}.ts`, root));

/** An example on a terminal. */
function onTerminal(name: string, ...args: string[]): Session {
  const argv = [process.execPath, ...runtimeArguments(example(name), { args })];
  const env = { ...process.env, TERM: "dumb", PS1: "inner> ", ENV: "", NO_COLOR: "1" };
  return new Session(argv, { env, columns: 90, rows: 20, cwd: fileURLToPath(root) });
}

/** pty_shell with a shell in it. */
function ptyShell(): Session {
  return onTerminal("pty_shell", "sh", "-i");
}

test("examples: expect drives sh and python3", async () => {
  const { code, stdout, stderr } = await spawnScript(example("expect"));
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "sh says 42\nsh ended with status 3\n");
  assertMatch(
    stdout,
    /there is no python3|python3 says 'haha'\npython3 has a terminal: True\npython3 ended with status 4/,
  );
});

test("examples: record writes what asciinema reads, and plays it", async () => {
  using dir = tempDir();
  const file = `${dir.path}/session.cast`;
  const script = "stty size; printf 'a\\342'; sleep 0.1; printf '\\202\\254z\\n'; exit 3";
  const args = ["record", file, "--columns", "61", "--rows", "17", "--", "sh", "-c", script];
  const recorded = await spawnScript(example("record"), { args });
  assertEquals([recorded.code, recorded.stderr], [3, ""]);
  assertEquals(recorded.stdout, "17 61\r\na€z\r\n");
  const [first, ...rest] = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  const header = JSON.parse(first!) as Record<string, unknown>;
  assertEquals([header.version, header.width, header.height], [2, 61, 17]);
  const events = rest.map((line) => JSON.parse(line) as [number, string, string]);
  assertEquals(events.map(([, , data]) => data).join(""), "17 61\r\na€z\r\n");
  assert(events.every(([, kind]) => kind === "o"));
  const times = events.map(([seconds]) => seconds);
  assertEquals(times, times.toSorted((a, b) => a - b));
  assert(times.at(-1)! >= 0.1);
  const played = await spawnScript(example("record"), { args: ["play", file, "--speed", "10"] });
  assertEquals([played.code, played.stdout], [0, recorded.stdout]);
  const wrong = await spawnScript(example("record"), { args: ["record", file] });
  assertEquals([wrong.code, wrong.stderr.startsWith("usage: record.ts")], [2, true]);
});

test("examples: record lets a person at a terminal use the program", async () => {
  using dir = tempDir();
  const file = `${dir.path}/session.cast`;
  await using session = onTerminal("record", "record", file, "--", "sh", "-i");
  const outer = session.child.console;
  const begin = stty(outer, "--save");
  await session.until("inner> ");
  outer.resize({ columns: 70, rows: 19 });
  session.type("while [ \"$(stty size)\" != '19 70' ]; do sleep 0.02; done; echo resi''zed\n");
  await session.until("resized");
  session.type("exit 4\n");
  assertEquals(await session.status(), 4);
  assertEquals(stty(outer, "--save"), begin);
  const [header, ...lines] = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  assertMatch(header!, /"width":90,"height":20,/);
  assert(lines.some((line) => /^\[[\d.]+,"r","70x19"\]$/.test(line)));
});

test("examples: record says in a line what it cannot play, and what it cannot understand", async () => {
  using dir = tempDir();
  const file = `${dir.path}/broken.cast`;
  const told = async (content: string, ...more: string[]): Promise<string> => {
    fs.writeFileSync(file, content);
    const args = ["play", file, ...more];
    const { code, stdout, stderr } = await spawnScript(example("record"), { args });
    return [code, stdout, stderr.replace(file, "FILE").split("\n")[0]].join("|");
  };
  const head = '{"version":2,"width":80,"height":24}\n';
  assertEquals(await told(""), "1||record: FILE is no recording of version 2");
  assertEquals(await told("null\n"), "1||record: FILE is no recording of version 2");
  const cut = `${head}[0,"o","seen\\n"]\n[0.1,"o","th`;
  assertEquals(await told(cut), "1|seen\n|record: FILE: line 3 is no event");
  const usage = "usage: record.ts record FILE [--columns N] [--rows N] -- COMMAND [ARG …]";
  assertEquals(await told(head, "--speed", "0"), `2||${usage}`);
  assertEquals(await told(head, "--loud"), `2||${usage}`);
});

test("examples: pty_shell passes keys, sizes and the status on, and restores the terminal", async () => {
  await using session = ptyShell();
  const outer = session.child.console;
  const begin = stty(outer, "--save");
  await session.until("inner> ");
  assert(stty(outer, "-a").includes("-icanon"));
  session.type("stty size; tty\n");
  await session.until("20 90\r\n");
  const inner = await session.until(/\/dev\/pts\/\d+/);
  assert(inner.trim() !== outer.path);
  outer.resize({ columns: 111, rows: 33 });
  await session.until("inner> ");
  // SIGWINCH is on its way: the size is there when it has been passed on.
  session.type("while [ \"$(stty size)\" != '33 111' ]; do sleep 0.02; done; echo resi''zed\n");
  await session.until("resized");
  session.type("sleep 60\n");
  await running(session, "sleep");
  session.type("\x03"); // for the shell within
  await session.until("inner> ");
  session.type("exit 7\n");
  assertEquals(await session.status(), 7);
  assertEquals(stty(outer, "--save"), begin);
});

test("examples: pty_shell restores the terminal when it is told to end", async () => {
  await using session = ptyShell();
  const outer = session.child.console;
  const begin = stty(outer, "--save");
  await session.until("inner> ");
  session.child.process.sendSignal("SIGTERM");
  assertEquals(await session.status(), 1);
  assertEquals(stty(outer, "--save"), begin);
});

test("examples: pty_shell is raw again when it goes on, and ends with a shell that will not", async () => {
  await using session = ptyShell();
  const outer = session.child.console;
  const begin = stty(outer, "--save");
  const isRaw = (): boolean => stty(outer, "-a").includes("-icanon");
  await session.until("inner> ");
  session.child.process.sendSignal("SIGSTOP");
  stty(outer, begin); // as a shell with job control does
  session.child.process.sendSignal("SIGCONT");
  await waitUntil(isRaw, 10_000, "a raw terminal");
  session.type("trap '' HUP; echo stub''born\n");
  await session.until("stubborn");
  for (const signal of ["SIGINT", "SIGQUIT", "SIGTERM"] as const) {
    session.child.process.sendSignal(signal);
  }
  assertEquals(await session.status(), 1);
  assertEquals(stty(outer, "--save"), begin);
});

test("examples: pty_shell without a terminal says so", async () => {
  const { code, stderr } = await spawnScript(
    `import { spawnSync } from "node:child_process";
     import process from "node:process";
     const { status, stderr } = spawnSync("setsid", ["-w", ...process.argv.slice(-2)[0].split("\\n")], {
       encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
     console.error(stderr);
     process.exit(status);`,
    {
      args: [
        [process.execPath, ...runtimeArguments(example("pty_shell"), {})].join("\n"),
        "",
      ],
    },
  );
  assertEquals(code, 2);
  assertStringIncludes(stderr, "this needs a terminal");
});

test("examples: on a terminal ^C reaches a SignalFD", async () => {
  await using session = onTerminal("echo", "127.0.0.1:0");
  await session.until("127.0.0.1:");
  const begin = stty(session.child.console, "--save");
  session.type("\x03");
  assertEquals(await session.status(), 0);
  assertEquals(stty(session.child.console, "--save"), begin);
});
