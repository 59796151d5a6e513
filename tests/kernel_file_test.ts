import fs from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { kernelText, openKernelFile } from "../ffi/kernel_file.ts";
import { libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { tempDir, test } from "./support.ts";

test("kernel files: the text is all of it, however many reads it takes", () => {
  using dir = tempDir();
  for (const length of [0, 1, 4095, 4096, 4097, 20_000]) {
    const text = "é".repeat(length); // two bytes each: some are split between two reads
    fs.writeFileSync(`${dir.path}/file`, `x${text}`);
    assertEquals(kernelText(`${dir.path}/file`), `x${text}`);
  }
  assertEquals(kernelText("/proc/self/cmdline"), fs.readFileSync("/proc/self/cmdline", "utf8"));
});

test("kernel files: what is not there is null, and what cannot be read an error", () => {
  assertEquals(kernelText("/proc/self/no such file"), null);
  assertEquals(openKernelFile("/proc/4194305/stat"), null); // above the highest pid_max
  assertEquals(assertThrows(() => kernelText("/proc"), SyscallError, "EISDIR").syscall, "read");
  const error = assertThrows(
    () => openKernelFile("/proc/version", posix.O_DIRECTORY),
    SyscallError,
  );
  assertEquals([error.code, error.syscall], ["ENOTDIR", "open"]);
});

test("kernel files: an opened one is closed on exec, and its caller's", () => {
  const fd = openKernelFile("/proc/version")!;
  assert((libc.fcntl(fd, posix.F_GETFD, 0) & posix.FD_CLOEXEC) !== 0);
  assertEquals(libc.close(fd), 0);
});
