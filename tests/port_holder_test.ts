import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { pipe } from "../handles/pipe.ts";
import { holderOf } from "../handles/port_holder.ts";
import { Socket } from "../handles/socket.ts";
import { formatAddress, parseAddress, type SocketAddress } from "../handles/socket_address.ts";
import { CAP_SYS_PTRACE } from "./children.ts";
import { withoutCapability } from "./privileges.ts";
import { abstractName, connection, deadAddress, hasIPv6 } from "./socket_fixture.ts";
import { root, type RunningScript, startScript, tempDir, test } from "./support.ts";

/**
 * What the error of a second socket at an address says. A neighbour of the suite may have tens of
 * thousands of connections for a while, among which the library gives up: it is asked again then.
 */
function refusal(open: () => unknown): string {
  const end = performance.now() + 30_000;
  for (;;) {
    const error = assertThrows(open, SyscallError);
    assertEquals(error.code, "EADDRINUSE");
    const isFinal = !error.message.includes("among too many to look at");
    if (isFinal || performance.now() >= end) return error.message;
  }
}

/** Another process that has a socket at an address; its first line is where. */
function holder(call: string, before: string = ""): RunningScript {
  return startScript(`
    import process from "node:process";
    import { backend } from "${root}ffi/platform.ts";
    import { Socket } from "${root}handles/socket.ts";
    import { formatAddress } from "${root}handles/socket_address.ts";
    ${before}
    const socket = ${call};
    console.log(formatAddress(socket.localAddress));
    process.stdin.resume();`);
}

test("C22 the error says that this process itself has the port, and as which descriptor", () => {
  using own = Socket.listen("127.0.0.1:0");
  const text = formatAddress(own.localAddress);
  const message = refusal(() => Socket.listen(own.localAddress));
  assertStringIncludes(
    message,
    `${text} belongs to this process, as fd ${own.raw}, which listens at`,
  );
  // Whoever has every address has this one, too.
  const { port } = own.localAddress as { port: number };
  assertStringIncludes(refusal(() => Socket.listen(`0.0.0.0:${port}`)), `which listens at ${text}`);
});

test("C22 the error names the process that has the port, and its command", async () => {
  await using script = holder(`Socket.listen("0.0.0.0:0")`);
  const { port } = parseAddress(await script.line()) as { port: number };
  const message = refusal(() => Socket.listen(`127.0.0.1:${port}`));
  assertStringIncludes(message, `127.0.0.1:${port} belongs to pid ${script.pid} (`);
  assert(/\(\S.*\), which listens at 0\.0\.0\.0:\d+: end that first/.test(message), message);
  if (!hasIPv6) return;
  assertStringIncludes(refusal(() => Socket.listen(`[::]:${port}`)), `pid ${script.pid} (`);
});

test("C22 datagrams: whoever is bound there has it", async () => {
  await using script = holder(`Socket.bind("127.0.0.1:0")`);
  const address = await script.line();
  const message = refusal(() => Socket.bind(address));
  assertStringIncludes(message, `belongs to pid ${script.pid} (`);
  assertStringIncludes(message, `which has a socket at ${address}`);
});

test("C22 Unix sockets: by path and by abstract name", async () => {
  using dir = tempDir();
  for (const address of [`unix:${dir.path}/a b.sock`, `unix:${abstractName("its holder")}`]) {
    await using script = holder(`Socket.listen(${JSON.stringify(address)})`);
    assertEquals(await script.line(), address);
    const message = refusal(() => Socket.listen(address));
    assertStringIncludes(message, `${address} belongs to pid ${script.pid} (`);
    assertStringIncludes(message, "which listens there: end that first");
  }
});

test("C22 a file that nobody has bound is only a file", () => {
  using dir = tempDir();
  const address = `unix:${dir.path}/stale`;
  Socket.listen(address).close();
  const message = refusal(() => Socket.listen(address));
  assertStringIncludes(message, `There is a file at ${address}: { unlinkStale: true } removes it`);
});

test.if(
  libc.getuid() === 0,
  "putting a capability down takes having it",
  "C22 a process that this user may not look into: the error says just that",
  async () => {
    // PR_SET_DUMPABLE, 0: nobody without CAP_SYS_PTRACE may look at its descriptors.
    const shy = `backend.bind("prctl", ["i32", "i32", "u32", "u32", "u32", "u32"])(4, 0, 0, 0, 0);`;
    await using script = holder(`Socket.listen("127.0.0.1:0")`, shy);
    const address = await script.line();
    const message = withoutCapability(CAP_SYS_PTRACE, () => refusal(() => Socket.listen(address)));
    assertStringIncludes(
      message,
      `${address} belongs to a process of uid 0 that this user may not look into, which listens`,
    );
    assertStringIncludes(refusal(() => Socket.listen(address)), `pid ${script.pid} (`);
  },
);

test("C22 who has an address that is free, or only in the words of the past: nobody known", () => {
  assertEquals(holderOf(deadAddress(), "stream"), null);
  assertEquals(holderOf({ family: "unix", path: "\0fdloop nobody" }, "stream"), null);
  const { client, server } = connection();
  const address = client.localAddress;
  assertStringIncludes(
    holderOf(address, "stream")!,
    `this process, as fd ${client.raw}, which has`,
  );
  client.close(); // the side that closes first has TIME_WAIT
  server.close();
  assertEquals(holderOf(address, "stream"), null);
});

test("C22 holderOf needs three descriptors; without them it knows nothing and leaves nothing open", () => {
  using listener = Socket.listen("127.0.0.1:0");
  const address: SocketAddress = listener.localAddress;
  const calls = libc as unknown as Record<string, unknown>;
  const real = calls["open"];
  calls["open"] = (): number => {
    using _ = pipe();
    return (libc.fcntl as (...args: number[]) => number)(-1, 3, 0); // EBADF
  };
  try {
    assertEquals(holderOf(address, "stream"), null);
  } finally {
    calls["open"] = real;
  }
});
