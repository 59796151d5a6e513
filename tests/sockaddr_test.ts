import { spawnSync } from "node:child_process";
import { assertEquals, assertThrows } from "@std/assert";
import { posix } from "../ffi/const_posix.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { decodeAddress, domainOf, encodeAddress } from "../handles/sockaddr.ts";
import { parseAddress } from "../handles/socket_address.ts";
import { hasCommand, test } from "./support.ts";

const encode = (text: string): Uint8Array => encodeAddress(parseAddress(text), "it");
const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

test("C20 struct sockaddr: family in the machine's order, port and address in the network's", () => {
  assertEquals(hex(encode("127.0.0.1:8080")), "02001f907f0000010000000000000000");
  const six = parseAddress("[2001:db8::1%3]:443");
  const bytes = encodeAddress({ ...six, flowInfo: 0x0123_4567 } as never, "it");
  assertEquals(hex(bytes), "0a0001bb0123456720010db800000000000000000000000103000000");
  assertEquals(hex(encode("unix:/a")), "01002f6100");
  assertEquals(hex(encode("unix:@a\0b")), "010000610062");
  assertEquals(hex(encode("unix:@")), "010000");
  assertEquals(hex(encode("unix:")), "0100");
});

test("C20 struct sockaddr: what was encoded is decoded", () => {
  const texts = ["127.0.0.1:80", "[::1]:80", "[fe80::1%2]:0", "unix:/run/x", "unix:@a\0b", "unix:@"]
    .concat(["unix:", "unix:\ufeffbom", `unix:${"x".repeat(107)}`, `unix:@${"x".repeat(107)}`]);
  for (const text of texts) assertEquals(decodeAddress(encode(text)), parseAddress(text), text);
  const flow = { family: "inet6", address: "::1", port: 1, flowInfo: 5, scopeId: 6 } as const;
  assertEquals(decodeAddress(encodeAddress(flow, "it")), flow);
});

test("C20 struct sockaddr: what other programs make of it", () => {
  // A path may fill all of sun_path, without a NUL, and may begin with what means abstract here.
  const full = Uint8Array.from([1, 0, ...Array<number>(108).fill(0x78)]);
  assertEquals(decodeAddress(full), { family: "unix", path: "x".repeat(108) });
  const at = Uint8Array.from([1, 0, 0x40, 0x61, 0, 0x62]);
  assertEquals(decodeAddress(at), { family: "unix", path: "./@a" });
  const invalid = Uint8Array.from([1, 0, 0x2f, 0xff, 0]);
  assertEquals(decodeAddress(invalid), { family: "unix", path: "/\ufffd" });
  assertEquals(decodeAddress(new Uint8Array(0)), null);
  assertThrows(() => decodeAddress(Uint8Array.from([16, 0, 0, 0])), UnsupportedError, "family 16");
});

test("C20 struct sockaddr: a path has 107 bytes at most", () => {
  for (const path of ["x".repeat(108), "@".padEnd(109, "x"), "ü".repeat(54)]) {
    const address = parseAddress(`unix:${path}`);
    assertThrows(() => encodeAddress(address, "it"), RangeError, "at most 107 bytes, got 108");
  }
});

test("C20 struct sockaddr: each family has its constant", () => {
  const texts = ["127.0.0.1:1", "[::1]:1", "unix:/x"];
  const domains = texts.map((text) => domainOf(parseAddress(text)));
  assertEquals(domains, [posix.AF_INET, posix.AF_INET6, posix.AF_UNIX]);
});

test.if(
  hasCommand("python3"),
  "there is no python3",
  "C20 struct sockaddr: python3 finds the same address in the bytes",
  () => {
    const program = `
import ctypes, socket, sys
data = bytes.fromhex(sys.argv[1])
family, = __import__("struct").unpack_from("=H", data)
port = int.from_bytes(data[2:4], "big")
print(socket.inet_ntop(family, data[4:8] if family == socket.AF_INET else data[8:24]), port)`;
    for (
      const [text, says] of [["10.1.2.3:4567", "10.1.2.3 4567"], ["[::1]:1", "::1 1"]] as const
    ) {
      const { stdout } = spawnSync("python3", ["-c", program, hex(encode(text))], {
        encoding: "utf8",
      });
      assertEquals(stdout.trim(), says);
    }
  },
);
