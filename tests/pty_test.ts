import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { openMaster, openSlave, slavePath, terminalPath } from "../handles/pty.ts";
import { test } from "./support.ts";

function withMaster(body: (master: number) => void): void {
  const master = openMaster();
  try {
    body(master);
  } finally {
    libc.close(master);
  }
}

for (const byPeer of [true, false]) {
  const way = byPeer ? "ioctl(TIOCGPTPEER)" : "its name, as on a kernel without the ioctl";
  test(`K12 the slave by ${way}: closed on exec, and of that master`, () => {
    withMaster((master) => {
      const slave = openSlave(master, byPeer);
      try {
        assertEquals(libc.fcntl(slave, posix.F_GETFD, 0), posix.FD_CLOEXEC);
        assertEquals(terminalPath(slave), slavePath(master));
        libc.write(master, new Uint8Array([120, 10]), 2);
        assertEquals(libc.read(slave, new Uint8Array(8), 8), 2);
      } finally {
        libc.close(slave);
      }
    });
  });
}

test("K12 a master is closed on exec from the beginning", () => {
  withMaster((master) => assertEquals(libc.fcntl(master, posix.F_GETFD, 0), posix.FD_CLOEXEC));
});

test("K12 names: only of what has one", () => {
  withMaster((master) => {
    assert(/^\/dev\/pts\/\d+$/.test(slavePath(master) ?? ""));
    assertStrictEquals(terminalPath(987654), null);
    const file = libc.open(new TextEncoder().encode("/dev/null\0"), posix.O_RDONLY, 0);
    assertEquals([slavePath(file), terminalPath(file)], [null, null]);
    const error = assertThrows(() => openSlave(file), SyscallError);
    assertEquals(error.code, "ENOTTY");
    libc.close(file);
  });
});
