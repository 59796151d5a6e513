import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Socket } from "../handles/socket.ts";
import { formatAddress } from "../handles/socket_address.ts";
import type { ListenOptions } from "../handles/socket_open.ts";
import { start } from "./children.ts";
import { flagsOf, readable, writable } from "./probes.ts";
import {
  abstractName,
  accepted,
  codeOf,
  deadAddress,
  failing,
  hasIPv6,
  optionOf,
  receivedText,
  setErrno,
} from "./socket_fixture.ts";
import { hasCommand, root, spawnScript, tempDir, test } from "./support.ts";

const ABSTRACT = "an abstract name";
const ADDRESSES = ["127.0.0.1:0", ABSTRACT, "unix:"].concat(hasIPv6 ? ["[::1]:0"] : []);

// Listening.

for (const address of ADDRESSES) {
  test(`C20 Socket.listen: ${address} accepts, and the flags are right`, () => {
    using listener = Socket.listen(address === ABSTRACT ? `unix:${abstractName("open")}` : address);
    assertEquals(Object.prototype.toString.call(listener), "[object Socket]");
    assertEquals([listener.type, listener.listening], ["stream", true]);
    assertEquals(flagsOf(listener), { nonblock: true, cloexec: true });
    assertEquals(listener.accept(), null);
    using client = Socket.connect(formatAddress(listener.localAddress));
    using server = accepted(listener);
    assertEquals(flagsOf(client), { nonblock: true, cloexec: true });
    assertEquals(flagsOf(server), { nonblock: true, cloexec: true });
    assert(writable(client, 1000));
    assertEquals([client.error, client.listening], [null, false]);
    client.write(new TextEncoder().encode("hello"));
    assertEquals(receivedText(server), "hello");
  });
}

test("C20 Socket.listen: blocking and inherit do what they say", () => {
  using listener = Socket.listen("127.0.0.1:0", { blocking: true, inherit: true });
  assertEquals(flagsOf(listener), { nonblock: false, cloexec: false });
  using bound = Socket.bind("127.0.0.1:0", { blocking: true, inherit: true });
  assertEquals(flagsOf(bound), { nonblock: false, cloexec: false });
  using client = Socket.connect(listener.localAddress, { blocking: true, inherit: true });
  assertEquals(flagsOf(client), { nonblock: false, cloexec: false });
});

test("X03 options are read once: what they say later neither leaks nor is believed", () => {
  for (const later of ["dgram", null]) {
    let reads = 0;
    const options = {
      get type(): "stream" {
        if (reads++ === 0) return "stream";
        if (later === null) throw new RangeError("read again");
        return later as "stream";
      },
    };
    using listener = Socket.listen("127.0.0.1:0", options);
    reads = 0;
    using client = Socket.connect(listener.localAddress, options);
    assertEquals([listener.type, client.type], ["stream", "stream"]);
  }
});

test("C20 Socket.listen: port 0 and no name are chosen by the kernel", () => {
  using inet = Socket.listen("127.0.0.1:0");
  const { localAddress } = inet;
  assert(localAddress.family === "inet" && localAddress.port > 0);
  using unix = Socket.listen("unix:");
  assert(unix.localAddress.family === "unix" && /^\0[0-9a-f]+$/.test(unix.localAddress.path));
});

test("C20 Socket.listen: a Unix socket of messages in order", () => {
  using listener = Socket.listen(`unix:${abstractName("seq")}`, { type: "seqpacket" });
  using client = Socket.connect(listener.localAddress, { type: "seqpacket" });
  using server = accepted(listener);
  assertEquals([listener.type, client.type, server.type], Array(3).fill("seqpacket"));
  client.write(new Uint8Array(3));
  client.write(new Uint8Array(5));
  const buffer = new Uint8Array(64);
  assertEquals([server.read(buffer), server.read(buffer), server.read(buffer)], [3, 5, null]);
});

test("C20 Socket.listen: SO_REUSEADDR is on for TCP unless it is not wanted", () => {
  using usual = Socket.listen("127.0.0.1:0");
  using without = Socket.listen("127.0.0.1:0", { reuseAddr: false });
  using datagrams = Socket.bind("127.0.0.1:0");
  using shared = Socket.bind("127.0.0.1:0", { reuseAddr: true });
  const sockets = [usual, without, datagrams, shared];
  assertEquals(sockets.map((socket) => optionOf(socket, "reuseAddr")), [1, 0, 0, 1]);
});

test("C20 Socket.listen: every option reaches the kernel", () => {
  using listener = Socket.listen("127.0.0.1:0", {
    noDelay: true,
    keepAlive: { idle: 60_000, interval: 1500, count: 3 },
    deferAccept: 1000,
    fastOpen: 16,
    reusePort: true,
    receiveBuffer: 10_000,
    sendBuffer: 20_000,
    backlog: 7,
  });
  assertEquals([listener.noDelay, listener.reusePort], [true, true]);
  assertEquals(listener.keepAlive, { idle: 60_000, interval: 2000, count: 3 });
  assertEquals([listener.receiveBuffer, listener.sendBuffer], [20_000, 40_000]);
  assertEquals([optionOf(listener, "deferAccept"), optionOf(listener, "fastOpen")], [1, 16]);
});

test.if(
  hasIPv6,
  "this machine has no IPv6",
  "C20 v6Only keeps IPv4 away, and without it an IPv4 peer has a mapped address",
  () => {
    using both = Socket.listen("[::]:0", { v6Only: false });
    assert(both.localAddress.family === "inet6");
    using client = Socket.connect(`127.0.0.1:${both.localAddress.port}`);
    using server = accepted(both);
    const remote = server.remoteAddress;
    assert(remote?.family === "inet6");
    assertEquals([remote.address, optionOf(both, "v6Only")], ["::ffff:127.0.0.1", 0]);
    assertEquals(client.error, null);

    using six = Socket.listen("[::]:0", { v6Only: true });
    assert(six.localAddress.family === "inet6");
    using refused = Socket.connect(`127.0.0.1:${six.localAddress.port}`);
    assert(writable(refused, 1000));
    assertEquals(refused.error?.code, "ECONNREFUSED");
  },
);

test("C20 backlog: what does not fit is not connected", () => {
  const address = `unix:${abstractName("backlog")}`;
  using listener = Socket.listen(address, { backlog: 0 });
  using first = Socket.connect(listener.localAddress);
  const error = assertThrows(() => Socket.connect(listener.localAddress), SyscallError);
  assertEquals([error.code, error.syscall], ["EAGAIN", "connect"]);
  assert(error.message.includes(`${address} is full: try again`), error.message);
  using server = accepted(listener);
  using second = Socket.connect(listener.localAddress);
  assertEquals([first.error, second.error, server.error], [null, null, null]);
});

test("C20 reusePort: several listeners have one port; without it the address is in use", () => {
  using first = Socket.listen("127.0.0.1:0", { reusePort: true });
  using second = Socket.listen(first.localAddress, { reusePort: true });
  assertEquals(second.localAddress, first.localAddress);
  const error = assertThrows(() => Socket.listen(first.localAddress), SyscallError);
  assertEquals([error.code, error.syscall], ["EADDRINUSE", "bind"]);
  const text = formatAddress(first.localAddress);
  assert(
    error.message.includes(`${text} belongs to this process, as fd `),
    error.message,
  );
});

test("C22 the second of two that bind without listening hears of it from listen(2)", () => {
  using first = Socket.listen("127.0.0.1:0");
  const { localAddress } = first;
  using _ = failing("listen", ["EADDRINUSE"]);
  const error = assertThrows(() => Socket.listen("127.0.0.1:0"), SyscallError);
  assertEquals([error.code, error.syscall], ["EADDRINUSE", "listen"]);
  assertEquals(first.localAddress, localAddress);
});

test("C20 the reason is in the error where the call alone does not say it", () => {
  const message = (call: () => unknown): string => assertThrows(call, SyscallError).message;
  const elsewhere = message(() => Socket.listen("192.0.2.1:0"));
  assert(elsewhere.includes("EADDRNOTAVAIL") && elsewhere.includes("No interface"), elsewhere);
  const noFolder = message(() => Socket.listen("unix:/no/such/folder/x"));
  assert(noFolder.includes("ENOENT") && noFolder.includes("does not exist"), noFolder);
  const nobody = message(() => Socket.connect("unix:@fdloop-nobody"));
  assert(nobody.includes("ECONNREFUSED") && nobody.includes("Nobody listens"), nobody);
  const noFile = message(() => Socket.connect("unix:/no/such/socket"));
  assert(noFile.includes("ENOENT") && noFile.includes("no socket at unix:/no"), noFile);
  using dir = tempDir();
  using packets = Socket.listen(`unix:${dir.path}/x`, { type: "seqpacket" });
  const other = message(() => Socket.connect(packets.localAddress));
  assert(other.includes("EPROTOTYPE") && other.includes("another type"), other);
});

// Files.

test("C20 a file in the way is in use, whatever it is, and unlinkStale removes a dead socket only", () => {
  using dir = tempDir();
  const path = `${dir.path}/x.sock`;
  const address = `unix:${path}`;
  Socket.listen(address).close(); // the file stays
  assert(fs.lstatSync(path).isSocket());
  const error = assertThrows(() => Socket.listen(address), SyscallError, "EADDRINUSE");
  assert(error.message.includes("{ unlinkStale: true } removes it"), error.message);

  using alive = Socket.listen(address, { unlinkStale: true });
  using client = Socket.connect(address);
  using server = accepted(alive);
  assertEquals([client.error, server.error], [null, null]);
  assertEquals(codeOf(() => Socket.listen(address, { unlinkStale: true })), "EADDRINUSE");
  const asMessages = { type: "seqpacket", unlinkStale: true } as const;
  assertEquals(codeOf(() => Socket.listen(address, asMessages)), "EADDRINUSE");
  using probe = accepted(alive); // what looked whether somebody is there
  assertEquals(probe.read(new Uint8Array(1)), 0);
});

test("C20 unlinkStale leaves everything alone that is no socket", () => {
  using dir = tempDir();
  const path = (name: string): string => `${dir.path}/${name}`;
  fs.writeFileSync(path("file"), "text");
  fs.mkdirSync(path("folder"));
  spawnSync("mkfifo", [path("fifo")]);
  Socket.listen(`unix:${path("socket")}`).close();
  fs.symlinkSync(path("socket"), path("link"));
  fs.symlinkSync(path("nothing"), path("dangling"));
  const names = ["file", "folder", "fifo", "link", "dangling"];
  for (const name of names) {
    const listen = (): Socket => Socket.listen(`unix:${path(name)}`, { unlinkStale: true });
    assertEquals(codeOf(listen), "EADDRINUSE", name);
  }
  assertEquals(fs.readdirSync(dir.path).sort(), [...names, "socket"].sort());
  assertEquals(fs.readFileSync(path("file"), "utf8"), "text");
});

test("C20 unlinkStale: a socket for datagrams takes the place of a dead one, not of one that lives", () => {
  using dir = tempDir();
  const address = `unix:${dir.path}/d.sock`;
  Socket.bind(address).close();
  using alive = Socket.bind(address, { unlinkStale: true });
  assertEquals(codeOf(() => Socket.bind(address, { unlinkStale: true })), "EADDRINUSE");
  using client = Socket.bind("unix:");
  client.sendTo(new Uint8Array(3), address);
  assertEquals(alive.receiveFrom(new Uint8Array(8))?.length, 3);
});

for (const umask of [0o022, 0o000, 0o077]) {
  const octal = umask.toString(8).padStart(3, "0");
  test(`C20 mode: the file has it under the umask ${octal}, and never more before that`, async () => {
    // The umask is the process's, and the test's process has other tests and helpers.
    const { stdout, stderr } = await spawnScript(`
      import process from "node:process";
      import fs from "node:fs";
      import { libc } from "${root}ffi/libc.ts";
      import { Socket } from "${root}handles/socket.ts";
      import { tempDir } from "${root}tests/support.ts";
      process.umask(${umask});
      using dir = tempDir();
      const chmod = libc.chmod;
      let between = 0;
      for (const mode of [0o600, 0o660, 0o666, 0o777, 0o000]) {
        const path = dir.path + "/" + mode;
        libc.chmod = (...args) => {
          between = fs.lstatSync(path).mode & 0o777;
          return chmod(...args);
        };
        using listener = Socket.listen("unix:" + path, { mode });
        console.log((fs.lstatSync(path).mode & 0o777) === mode, between === (mode & ~${umask}));
      }`);
    assertEquals(stdout.trim().split("\n"), Array(5).fill("true true"), stderr);
  });
}

test("C20 nothing half-made stays: no descriptor, and no file", () => {
  using dir = tempDir();
  const options = { mode: 0o600 };
  for (const call of ["listen", "chmod"] as const) {
    using _ = failing(call, ["EPERM"]);
    assertEquals(codeOf(() => Socket.listen(`unix:${dir.path}/x`, options)), "EPERM", call);
    assertEquals(fs.readdirSync(dir.path), [], call);
  }
  // The test itself fails when one of these leaves a descriptor.
  assertEquals(codeOf(() => Socket.bind("192.0.2.1:0")), "EADDRNOTAVAIL");
  assertEquals(codeOf(() => Socket.connect(deadAddress(), { blocking: true })), "ECONNREFUSED");
  assertEquals(
    codeOf(() => Socket.connect("127.0.0.1:9", { local: "192.0.2.1:0" })),
    "EADDRNOTAVAIL",
  );
  assertEquals(codeOf(() => Socket.connect("unix:@x", { local: "unix:/no/such/x" })), "ENOENT");
});

// Connecting.

test("C20 Socket.connect: what nobody answers is told by error, once", () => {
  using client = Socket.connect(deadAddress());
  assertEquals(client.remoteAddress, null);
  assert(writable(client, 1000));
  const { error } = client;
  assertEquals([error?.code, error?.fd, client.error], ["ECONNREFUSED", client.raw, null]);
});

test("C20 Socket.connect: blocking waits, and goes on waiting after a signal", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using client = Socket.connect(listener.localAddress, { blocking: true });
  assertEquals([client.remoteAddress, client.error], [listener.localAddress, null]);

  // A signal leaves the socket as a non-blocking call does: on its way.
  const { connect } = libc;
  const answers: number[] = [];
  libc.connect = (fd, address, length) => {
    const flags = libc.fcntl(fd, posix.F_GETFL, 0);
    if (answers.length === 0) libc.fcntl(fd, posix.F_SETFL, flags | posix.O_NONBLOCK);
    answers.push(connect(fd, address, length));
    if (answers.length > 1) return answers.at(-1)!;
    libc.fcntl(fd, posix.F_SETFL, flags);
    setErrno("EINTR");
    return -1;
  };
  try {
    using interrupted = Socket.connect(listener.localAddress, { blocking: true });
    assertEquals(interrupted.remoteAddress, listener.localAddress);
  } finally {
    libc.connect = connect;
  }
  assertEquals(answers, [-1, 0]);
});

test("C20 Socket.connect: from a local address, of the same family", () => {
  using listener = Socket.listen("127.0.0.1:0");
  using client = Socket.connect(listener.localAddress, { local: "127.0.0.5:0" });
  using server = accepted(listener);
  const { localAddress } = client;
  assert(localAddress.family === "inet" && localAddress.port > 0);
  assertEquals([localAddress.address, server.remoteAddress], ["127.0.0.5", localAddress]);
  assertEquals(optionOf(client, "addressWithoutPort"), 1);

  const me = abstractName("me");
  using unix = Socket.listen(`unix:${abstractName("local")}`);
  using named = Socket.connect(unix.localAddress, { local: `unix:${me}` });
  using peer = accepted(unix);
  assertEquals([peer.remoteAddress, named.error], [
    { family: "unix", path: me.replace("@", "\0") },
    null,
  ]);
  for (const local of ["unix:@x", "[::1]:0"]) {
    const connect = (): Socket => Socket.connect("127.0.0.1:1", { local });
    assertThrows(connect, TypeError, "local must be of the address's family inet");
  }
});

test("C20 Socket.connect: options of the connection", () => {
  using listener = Socket.listen("127.0.0.1:0");
  const options = { noDelay: true, keepAlive: true, receiveBuffer: 8192, sendBuffer: 8192 };
  using client = Socket.connect(listener.localAddress, options);
  assertEquals([client.noDelay, client.keepAlive?.count], [true, 9]);
  assertEquals([client.receiveBuffer, client.sendBuffer], [16384, 16384]);
  using datagrams = Socket.connect(listener.localAddress, { type: "dgram" });
  assertEquals([datagrams.type, datagrams.remoteAddress], ["dgram", listener.localAddress]);
});

// Arguments.

test("C20 addresses that are none are refused, and so is a name, before any call", () => {
  for (const bad of [undefined, null, 80, {}, "", ":80", "localhost:80"]) {
    for (const make of ["listen", "bind", "connect"] as const) {
      const call = (): Socket => Socket[make](bad as never);
      assertThrows(call, TypeError, `Socket.${make}: the address`);
    }
  }
  assertThrows(() => Socket.connect("unix:"), TypeError, "must have a path to connect to");
  assertThrows(() => Socket.listen(`unix:${"x".repeat(108)}`), RangeError, "at most 107 bytes");
});

test("C20 options that are not what they should be are refused by name", () => {
  const flags = ["blocking", "inherit", "reuseAddr", "reusePort", "noDelay", "keepAlive"] as const;
  for (const name of flags) {
    for (const bad of [null, 0, "yes"]) {
      const options = { [name]: bad } as unknown as ListenOptions;
      const call = (): Socket => Socket.listen("127.0.0.1:0", options);
      assertThrows(call, TypeError, `Socket.listen: ${name}`);
    }
  }
  const numbers: [keyof ListenOptions, unknown[]][] = [
    ["backlog", [-1, 1.5, NaN, 2 ** 31]],
    ["fastOpen", [-1, 2 ** 31]],
    ["deferAccept", [-1, NaN, 65_535_001]],
    ["receiveBuffer", [-1, 2 ** 30]],
    ["sendBuffer", [-1, 0.5]],
    ["keepAlive", [{ idle: 0 }, { interval: 32_767_001 }, { count: 0 }, { count: 128 }]],
  ];
  for (const [name, values] of numbers) {
    for (const bad of values) {
      const options = { [name]: bad } as unknown as ListenOptions;
      const call = (): Socket => Socket.listen("127.0.0.1:0", options);
      assertThrows(call, RangeError, `Socket.listen: ${name}`);
    }
    const options = { [name]: "many" } as unknown as ListenOptions;
    assertThrows(() => Socket.listen("127.0.0.1:0", options), TypeError, `Socket.listen: ${name}`);
  }
  assertThrows(() => Socket.listen("unix:/x", { mode: 0o1000 }), RangeError, "mode");
  for (const bad of [null, 3, "noDelay"]) {
    assertThrows(() => Socket.listen("127.0.0.1:0", bad as never), TypeError, "options");
    assertThrows(() => Socket.bind("127.0.0.1:0", bad as never), TypeError, "options");
    assertThrows(() => Socket.connect("127.0.0.1:1", bad as never), TypeError, "options");
  }
  for (const bad of ["dgram", "raw", 1, null]) {
    const call = (): Socket => Socket.listen("127.0.0.1:0", { type: bad as never });
    assertThrows(call, TypeError, "Socket.listen: type");
  }
});

test("C20 an option of another kind of socket is refused, unless it asks for nothing", () => {
  const unix = `unix:${abstractName("options")}`;
  const cases: [string, ListenOptions, string][] = [
    [unix, { noDelay: true }, "noDelay is an option of TCP sockets"],
    [unix, { keepAlive: {} }, "keepAlive is an option of TCP sockets"],
    [unix, { deferAccept: 1 }, "deferAccept is an option of TCP"],
    [unix, { fastOpen: 1 }, "fastOpen is an option of TCP"],
    [unix, { reusePort: true }, "reusePort is an option of IP sockets"],
    [unix, { reuseAddr: true }, "reuseAddr is an option of IP sockets"],
    [unix, { v6Only: true }, "v6Only is an option of IPv6 sockets"],
    ["127.0.0.1:0", { v6Only: true }, "v6Only is an option of IPv6 sockets"],
    ["127.0.0.1:0", { mode: 0o600 }, "mode is for a Unix socket with a path"],
    [unix, { unlinkStale: true }, "unlinkStale is for a Unix socket with a path"],
    ["127.0.0.1:0", { type: "seqpacket" }, 'type "seqpacket" is for Unix sockets'],
  ];
  for (const [address, options, says] of cases) {
    assertThrows(() => Socket.listen(address, options), TypeError, says);
  }
  const nothing = {
    noDelay: false,
    reuseAddr: false,
    reusePort: false,
    fastOpen: 0,
    deferAccept: 0,
  };
  Socket.listen(unix, { ...nothing, keepAlive: false, unlinkStale: false }).close();
});

// Other programs.

test.if(hasCommand("curl"), "there is no curl", "C20 curl is answered", async () => {
  using listener = Socket.listen("127.0.0.1:0", { noDelay: true });
  const url = `http://${formatAddress(listener.localAddress)}/`;
  await using curl = await start("curl", ["--silent", "--max-time", "10", url]);
  using server = accepted(listener);
  assert(receivedText(server).startsWith("GET / HTTP/1.1\r\n"));
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
  assertEquals(server.send(new TextEncoder().encode(answer)), answer.length);
  server.shutdown("write");
  assertEquals(await curl.line(), "hello");
  assertEquals(await curl.ended, [0, null]);
});

test.if(
  hasCommand("curl"),
  "there is no curl",
  "C20 curl is answered at a path, by a listener that waits for bytes",
  async () => {
    using dir = tempDir();
    const path = `${dir.path}/http.sock`;
    using listener = Socket.listen(`unix:${path}`, { mode: 0o600 });
    const args = ["--silent", "--max-time", "10", "--unix-socket", path, "http://x/y"];
    await using curl = await start("curl", args);
    using server = accepted(listener);
    assert(receivedText(server).startsWith("GET /y HTTP/1.1\r\n"));
    assertEquals(server.credentials?.pid, curl.pid);
    server.write(new TextEncoder().encode("HTTP/1.0 200 OK\r\n\r\nover a path\n"));
    server.close();
    assertEquals(await curl.line(), "over a path");
    assertEquals(await curl.ended, [0, null]);
  },
);

const PYTHON_SERVER = `
import socket, sys
family = socket.AF_INET6 if sys.argv[1] == "six" else socket.AF_INET
server = socket.create_server(("::1" if sys.argv[1] == "six" else "127.0.0.1", 0), family=family)
print(server.getsockname()[1], flush=True)
client, address = server.accept()
print(address[1], client.recv(100).decode(), flush=True)
client.sendall(b"from python")
client.close()
`;

for (const family of ["four", "six"]) {
  test.if(
    hasCommand("python3") && (family === "four" || hasIPv6),
    "there is no python3, or no IPv6",
    `C20 Socket.connect: a server in python3, over IPv${family === "six" ? 6 : 4}`,
    async () => {
      await using server = await start("python3", ["-c", PYTHON_SERVER, family]);
      const host = family === "six" ? "[::1]" : "127.0.0.1";
      using client = Socket.connect(`${host}:${await server.line()}`);
      assert(writable(client, 5000));
      assertEquals(client.error, null);
      client.write(new TextEncoder().encode("to python"));
      const { localAddress } = client;
      assert(localAddress.family !== "unix");
      assertEquals(await server.line(), `${localAddress.port} to python`);
      assertEquals(receivedText(client), "from python");
      assert(readable(client, 5000));
      assertEquals(client.read(new Uint8Array(1)), 0);
    },
  );
}

test("C20 deferAccept: a connection is there with its first bytes, not before", () => {
  using listener = Socket.listen("127.0.0.1:0", { deferAccept: 5000 });
  using client = Socket.connect(listener.localAddress);
  assert(writable(client, 1000));
  assertEquals(listener.accept(), null);
  assert(!readable(listener, 50));
  client.write(new Uint8Array(3));
  using server = accepted(listener);
  assertEquals(server.read(new Uint8Array(8)), 3);
});
