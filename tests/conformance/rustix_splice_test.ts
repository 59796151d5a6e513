// rustix, tests/pipe/splice.rs and tests/fs/sendfile.rs: what they observe. gVisor's splice.cc for what
// the kernel refuses.

import fs from "node:fs";
import { assertEquals } from "@std/assert";
import { linux } from "../../ffi/const_linux.ts";
import { sendfile, splice } from "../../handles/kernel_transfer.ts";
import { MemFD } from "../../handles/mem_fd.ts";
import { pipe, socketPair } from "../../handles/pipe.ts";
import { drain, encode, fill, openFile } from "../conn_fixture.ts";
import { codeOf } from "../socket_fixture.ts";
import { tempDir, test } from "../support.ts";

const { SPLICE_F_NONBLOCK } = linux;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("rustix: splice from a file into a pipe, from its position on, and out of it again", () => {
  using dir = tempDir();
  fs.writeFileSync(`${dir.path}/file`, "Hello, world!");
  using file = openFile(`${dir.path}/file`, "r");
  using ends = pipe();
  assertEquals(splice(file, ends.writer, 5, 0), 5);
  assertEquals(text(drain(ends.reader).bytes), "Hello");
  assertEquals([splice(file, ends.writer, 100, 0), splice(file, ends.writer, 100, 0)], [8, 0]);
  using out = openFile(`${dir.path}/copy`, "w");
  assertEquals(splice(ends.reader, out, 100, 0), 8);
  assertEquals(fs.readFileSync(`${dir.path}/copy`, "latin1"), ", world!");
});

test("rustix: splice from pipe to pipe moves what there is room for", () => {
  using from = pipe();
  using to = pipe();
  from.writer.write(encode("through two"));
  assertEquals(splice(from.reader, to.writer, 7, SPLICE_F_NONBLOCK), 7);
  assertEquals(text(drain(to.reader).bytes), "through");
  fill(to.writer);
  assertEquals(splice(from.reader, to.writer, 7, SPLICE_F_NONBLOCK), null);
  assertEquals(text(drain(from.reader).bytes), " two");
});

test("rustix: sendfile from a file into a pipe", () => {
  using file = MemFD.create("rustix");
  file.write(encode("hello"));
  using ends = pipe();
  const offset = new BigInt64Array(1);
  assertEquals([sendfile(ends.writer, file, offset, 5), offset[0]], [5, 5n]);
  assertEquals(text(drain(ends.reader).bytes), "hello");
});

test("gvisor: splice of two descriptors that are no pipes, and of a pipe into itself: EINVAL", () => {
  using pair = socketPair();
  using ends = pipe();
  assertEquals(codeOf(() => splice(pair.left, pair.right, 1, SPLICE_F_NONBLOCK)), "EINVAL");
  assertEquals(codeOf(() => splice(ends.reader, ends.writer, 1, SPLICE_F_NONBLOCK)), "EINVAL");
  assertEquals(codeOf(() => splice(ends.writer, pair.left, 1, SPLICE_F_NONBLOCK)), "EBADF");
});
