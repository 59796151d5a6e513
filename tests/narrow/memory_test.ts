import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/syscall_error.ts";
import { UnsupportedError } from "../../ffi/unsupported.ts";
import { MappedRegion } from "../../handles/mapped_region.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { test } from "../support.ts";

test("X02 MemFD: everything works", () => {
  using memory = MemFD.create("narrow", { sealing: true });
  memory.write(new Uint8Array([1, 2, 3]));
  memory.pwrite(new Uint8Array([4]), 2 ** 33);
  const buffer = new Uint8Array(3);
  assertEquals([memory.pread(buffer, 1), [...buffer]], [3, [2, 3, 0]]);
  assertEquals([memory.pread(buffer, 2n ** 33n), buffer[0]], [1, 4]);
  memory.truncate(3);
  memory.seal("shrink");
  using again = MemFD.from(memory.share());
  assertEquals([again.name, again.size, again.seals], ["narrow", 3, ["shrink"]]);
  using copy = MemFD.duplicate(memory.raw);
  assertEquals(copy.read(buffer), 0);
});

for (const sealed of [true, false]) {
  test(`X02 MappedRegion of ${sealed ? "sealed" : "any"} memory: all but the views works`, () => {
    using memory = MemFD.create("narrow", { sealing: true });
    memory.truncate(1 << 17);
    if (sealed) memory.seal("shrink");
    using region = MappedRegion.map(memory, { offset: 1 << 16 });
    region.copyIn(new Uint8Array([1, 2, 3]), 7);
    region.sync();
    const target = new Uint8Array(5);
    region.copyOut(target, 6);
    assertEquals([...target], [0, 1, 2, 3, 0]);
    for (const view of ["bytes", "buffer"] as const) {
      assertThrows(() => region[view], UnsupportedError, "--allow-ffi; copyIn and copyOut work");
    }
    const refused = sealed ? SyscallError : RangeError;
    assertThrows(() => memory.truncate(0), refused);
    assertEquals([region.unmap(), region.valid], [true, false]);
  });
}
