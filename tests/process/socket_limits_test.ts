// What must not be tried in the process of the other tests: no descriptor left for sockets, and a
// process that has not ignored SIGPIPE.

import fs from "node:fs";
import { assertEquals } from "@std/assert";
import { root, scriptLines, test } from "../support.ts";

const IMPORTS = `
  import fs from "node:fs";
  import { libc } from "${root}ffi/libc.ts";
  import { Epoll } from "${root}handles/epoll.ts";
  import { EPOLL, EpollEvents } from "${root}handles/epoll_events.ts";
  import { sendFds } from "${root}handles/send_fds.ts";
  import { Socket } from "${root}handles/socket.ts";
  import { leaveRoom, limitDescriptors, openNumbers } from "${root}tests/descriptor_limit.ts";
  const name = (call) => {
    try { return String(call()); } catch (error) { return error.code ?? error.name; }
  };`;

const lines = (source: string): Promise<string[]> => scriptLines(`${IMPORTS}${source}`);

test("C21 no descriptor left: the connection waits, the listener stays readable, and then it comes", async () => {
  const printed = await lines(`
    const listener = Socket.listen("127.0.0.1:0");
    const client = Socket.connect(listener.localAddress, { blocking: true });
    const set = Epoll.create();
    set.add(listener, EPOLL.IN);
    const events = new EpollEvents(4);
    const kept = [];
    leaveRoom(8);
    while (name(() => kept.push(Socket.bind("unix:"))) !== "EMFILE");
    console.log(name(() => listener.accept()), name(() => listener.accept()), set.wait(events, 0));
    console.log(client.error, name(() => Socket.listen("unix:")), name(() => Socket.duplicate(client.raw)));
    // More than one: the runtimes open files of their own when an error is made or the program ends.
    for (const each of kept.splice(1)) each.close();
    const server = listener.accept();
    console.log(server.remoteAddress.port === client.localAddress.port, listener.accept());`);
  assertEquals(printed, ["EMFILE EMFILE 1", "null EMFILE EMFILE", "true null"]);
});

test("C21 2000 connections made and closed under a low limit leave nothing", async () => {
  const printed = await lines(`
    const listener = Socket.listen("unix:");
    const before = openNumbers().length;
    leaveRoom(8);
    for (let round = 0; round < 2000; round++) {
      const client = Socket.connect(listener.localAddress);
      const server = listener.accept();
      if (round % 2 === 0) server.share();
      server.close();
      client.close();
    }
    console.log(openNumbers().length === before);`);
  assertEquals(printed, ["true"]);
});

test("C24 no descriptor left: a listener is drained all the same, with the one in reserve", async () => {
  const printed = await lines(`
    const { Loop } = await import("${root}loop/loop.ts");
    const loop = Loop.create();
    const listener = Socket.listen("127.0.0.1:0");
    const address = listener.localAddress;
    const clients = Array.from({ length: 30 }, () => Socket.connect(address, { blocking: true }));
    const acceptor = loop.accept(listener, { onAccept() {} });
    leaveRoom(8);
    const kept = [];
    while (name(() => kept.push(Socket.bind("unix:"))) !== "EMFILE");
    const drained = acceptor.drain();
    const read = clients.map((client) => name(() => client.read(new Uint8Array(1))));
    for (const each of kept) each.close();
    console.log(drained, read.every((each) => each === "0"));`);
  assertEquals(printed, ["30 true"]);
});

test("C20 send and sendFds never raise SIGPIPE, whatever its disposition", async () => {
  const printed = await lines(`
    // struct sigaction of zeros: SIG_DFL, which ends a process that writes to a closed connection.
    const SIGPIPE = 13;
    const result = libc.sigaction(SIGPIPE, new Uint8Array(new ArrayBuffer(152)), null);
    const listener = Socket.listen("unix:");
    const client = Socket.connect(listener.localAddress);
    listener.accept().close();
    const bytes = new Uint8Array(1);
    const calls = [
      () => client.send(bytes),
      () => client.sendTo(bytes, "unix:@x"),
      () => sendFds(client, [0], bytes),
    ];
    console.log(result, calls.map(name).join(" "));`);
  assertEquals(printed, ["0 EPIPE EISCONN EPIPE"]);
});

/** The highest that this process may raise its limit of descriptors to. */
const hardLimit = Number(
  /^Max open files\s+\S+\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 0,
);

test.if(
  hardLimit > 70_000,
  `the limit of descriptors is ${hardLimit} and cannot be raised`,
  "C36 numbers above 65,535 are sockets like others",
  async () => {
    const printed = await lines(`
      limitDescriptors(70_001);
      const listener = Socket.listen("127.0.0.1:0");
      const client = Socket.connect(listener.localAddress, { blocking: true });
      const server = listener.accept();
      const high = Socket.adopt(libc.fcntl(server.raw, 1030, 70_000));
      server.close();
      client.write(new Uint8Array(3));
      console.log(high.raw, high.read(new Uint8Array(8)));`);
    assertEquals(printed, ["70000 3"]);
  },
);
