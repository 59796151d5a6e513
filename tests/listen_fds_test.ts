import fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { listenFds } from "../handles/listen_fds.ts";
import { Socket } from "../handles/socket.ts";
import { start } from "./children.ts";
import { codeOf, receivedText } from "./socket_fixture.ts";
import { hasCommand, root, runtimeArguments, tempDir, test } from "./support.ts";

test("C20 listenFds: nothing is said, or to another process: none", () => {
  const pid = String(libc.getpid());
  for (
    const environment of [
      {},
      { LISTEN_PID: pid },
      { LISTEN_FDS: "1" },
      { LISTEN_PID: "1", LISTEN_FDS: "1" },
      { LISTEN_PID: pid, LISTEN_FDS: "0" },
      { LISTEN_PID: "1", LISTEN_FDS: "many", LISTEN_FDNAMES: "a:b" },
      { PATH: "/bin" },
    ]
  ) {
    assertEquals(listenFds(environment), []);
  }
});

test("C20 listenFds: variables that make no sense are refused", () => {
  const LISTEN_PID = String(libc.getpid());
  for (const bad of ["", "x", "-1", "1.5", " 1", "99999999999"]) {
    const pid = { LISTEN_PID: bad, LISTEN_FDS: "1" };
    assertThrows(() => listenFds(pid), RangeError, "LISTEN_PID must be a whole number");
    const fds = { LISTEN_PID, LISTEN_FDS: bad };
    assertThrows(() => listenFds(fds), RangeError, "LISTEN_FDS must be a whole number");
  }
  const names = { LISTEN_PID, LISTEN_FDS: "2", LISTEN_FDNAMES: "a:b:c" };
  assertThrows(() => listenFds(names), RangeError, "LISTEN_FDNAMES must have 2 names");
  assertThrows(() => listenFds({ LISTEN_PID: 5 as never, LISTEN_FDS: "1" }), RangeError);
  for (const bad of [undefined, null, "LISTEN_FDS=1", 3]) {
    assertThrows(() => listenFds(bad as never), TypeError, "listenFds: the environment");
  }
});

test("C20 listenFds: when one is not open, none is taken", () => {
  // More than this process has: one of them is free.
  const environment = { LISTEN_PID: String(libc.getpid()), LISTEN_FDS: "60000" };
  assertEquals(codeOf(() => listenFds(environment)), "EBADF");
});

/** Starts a program with descriptors as a service manager does, in python3. */
const MANAGER = `
import os, socket, sys
kinds = sys.argv[1].split(",")
made = []
for kind in kinds:
    if kind == "pipe":
        made.append(os.pipe()[0])
    elif kind == "tcp":
        s = socket.create_server(("127.0.0.1", 0))
        print(s.getsockname()[1], flush=True)
        made.append(s.detach())
    elif kind == "udp":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 0))
        made.append(s.detach())
    elif kind == "netlink":
        made.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach())
high = [os.dup2(fd, 100 + n) for n, fd in enumerate(made)]
for n, fd in enumerate(high):
    os.dup2(fd, 3 + n, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(made)))
if sys.argv[2]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
`;

const SCRIPT = `
  import process from "node:process";
  import { libc } from "${root}ffi/libc.ts";
  import { listenFds } from "${root}handles/listen_fds.ts";
  import { Socket } from "${root}handles/socket.ts";
  import { Loop } from "${root}loop/loop.ts";
  const passed = listenFds(process.env);
  for (const { name, handle } of passed) {
    const nonblock = (libc.fcntl(handle.raw, 3, 0) & 0o4000) !== 0;
    const cloexec = libc.fcntl(handle.raw, 1, 0) === 1;
    console.log(name, handle[Symbol.toStringTag], handle.raw, handle.type, nonblock, cloexec);
  }
  const loop = Loop.create();
  const listener = passed[0].handle;
  const served = loop.readable(listener).then(() => {
    using connection = listener.accept();
    connection.write(new TextEncoder().encode("served"));
  });
  await loop.run();
  await served;
`;

test.if(
  hasCommand("python3"),
  "there is no python3",
  "C20 listenFds: what a manager passes on is taken over, sockets and others, by their names",
  async () => {
    using dir = tempDir();
    const script = `${dir.path}/script.ts`;
    fs.writeFileSync(script, SCRIPT);
    for (const names of ["http:metrics:input:route", ""]) {
      const args = [
        "-c",
        MANAGER,
        "tcp,udp,pipe,netlink",
        names,
        process.execPath,
        ...runtimeArguments(script, {}),
      ];
      await using child = await start("python3", args, { cwd: fileURLToPath(root) });
      const port = await child.line();
      const [http, metrics, input, route] = names === ""
        ? Array(4).fill("unknown")
        : names.split(":");
      assertEquals(await child.line(), `${http} Socket 3 stream true true`);
      assertEquals(await child.line(), `${metrics} Socket 4 dgram true true`);
      assertEquals(await child.line(), `${input} FD 5 undefined true true`);
      assertEquals(await child.line(), `${route} FD 6 undefined true true`);
      using client = Socket.connect(`127.0.0.1:${port}`);
      assertEquals(receivedText(client), "served");
      assertEquals(await child.ended, [0, null]);
    }
  },
);
