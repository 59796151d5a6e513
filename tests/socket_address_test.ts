import { assertEquals, assertThrows } from "@std/assert";
import {
  type AddressLike,
  checkAddress,
  formatAddress,
  parseAddress,
  type SocketAddress,
} from "../handles/socket_address.ts";
import { test } from "./support.ts";

/** Text in its one spelling, and the address that it is. */
const SPELLINGS: readonly [string, SocketAddress][] = [
  ["127.0.0.1:80", { family: "inet", address: "127.0.0.1", port: 80 }],
  ["0.0.0.0:0", { family: "inet", address: "0.0.0.0", port: 0 }],
  ["255.255.255.255:65535", { family: "inet", address: "255.255.255.255", port: 65535 }],
  ["[::1]:80", { family: "inet6", address: "::1", port: 80 }],
  ["[::]:0", { family: "inet6", address: "::", port: 0 }],
  ["[fe80::1%2]:443", { family: "inet6", address: "fe80::1", port: 443, scopeId: 2 }],
  ["[::1%4294967295]:1", { family: "inet6", address: "::1", port: 1, scopeId: 0xffff_ffff }],
  ["unix:/run/x.sock", { family: "unix", path: "/run/x.sock" }],
  ["unix:x.sock", { family: "unix", path: "x.sock" }],
  ["unix:@name", { family: "unix", path: "\0name" }],
  ["unix:@", { family: "unix", path: "\0" }],
  ["unix:@@name", { family: "unix", path: "\0@name" }],
  ["unix:@a\0b", { family: "unix", path: "\0a\0b" }],
  ["unix:./@name", { family: "unix", path: "./@name" }],
  ["unix:", { family: "unix", path: "" }],
  ["unix:/tmp/127.0.0.1:80", { family: "unix", path: "/tmp/127.0.0.1:80" }],
  ["unix:/tmp/ünï", { family: "unix", path: "/tmp/ünï" }],
];

test("C20 parseAddress and formatAddress are each other's inverse", () => {
  for (const [text, address] of SPELLINGS) {
    assertEquals(parseAddress(text), address, text);
    assertEquals(formatAddress(address), text);
  }
});

test("C20 every spelling of an address becomes the one", () => {
  assertEquals(
    parseAddress("[2001:DB8:0:0::1]:080"),
    { family: "inet6", address: "2001:db8::1", port: 80 },
  );
  assertEquals(parseAddress("[fe80::1%0]:1"), { family: "inet6", address: "fe80::1", port: 1 });
  assertEquals(
    checkAddress({ family: "unix", path: "@name" }, "it"),
    { family: "unix", path: "\0name" },
  );
  const long = { family: "inet6", address: "0:0:0:0:0:0:0:1", port: 1, flowInfo: 0, scopeId: 0 };
  assertEquals(checkAddress(long, "it"), { family: "inet6", address: "::1", port: 1 });
  const flow = { family: "inet6", address: "::1", port: 1, flowInfo: 0x0fff_ffff } as const;
  assertEquals(checkAddress(flow, "it"), flow);
  assertEquals(formatAddress(flow), "[::1]:1");
});

test("C20 a name is refused with the remedy, and so is an interface's", () => {
  for (const name of ["localhost:80", "example.org:443", "a:1"]) {
    assertThrows(() => parseAddress(name), TypeError, "a name is not resolved here: look it up");
  }
  assertThrows(() => parseAddress("[fe80::1%eth0]:80"), TypeError, "/sys/class/net/<name>/ifindex");
});

test("C20 text that is no address is a TypeError that shows the forms", () => {
  const bad = ["", ":80", "80", "127.0.0.1", "127.0.0.1:", "::1:80", "::1", "[::1]", "[::1]80"]
    .concat(["127.0.0.1:http", "127.0.0.1:-1", "127.0.0.1:1.5", "[127.0.0.1:80", "/run/x.sock"])
    .concat(["tcp://127.0.0.1:80", "UNIX:/x", "127.0.0.1:80 ", "127.0.0.1:12345678901", "@name"]);
  for (const text of bad) {
    assertThrows(() => parseAddress(text), TypeError, '"127.0.0.1:80", "[::1]:80"', text);
  }
  assertThrows(() => parseAddress("[127.0.0.1]:80"), TypeError, "an IPv6 address");
  assertThrows(() => parseAddress("[]:80"), TypeError, "an IPv6 address");
  assertThrows(() => parseAddress("1.2.3.400:80"), TypeError, "an IPv4 address");
});

test("C20 numbers that are out of range are a RangeError", () => {
  assertThrows(() => parseAddress("127.0.0.1:65536"), RangeError, "port");
  assertThrows(() => parseAddress("[::1]:99999"), RangeError, "port");
  assertThrows(() => parseAddress("[::1%4294967296]:1"), RangeError, "scopeId");
  const six = { family: "inet6", address: "::1", port: 1 } as const;
  for (const bad of [-1, 1.5, NaN, 2 ** 28]) {
    assertThrows(() => formatAddress({ ...six, flowInfo: bad }), RangeError, "flowInfo");
  }
  for (const bad of [-1, 0.5, Infinity, 2 ** 16]) {
    assertThrows(() => formatAddress({ ...six, port: bad }), RangeError, "the address: port");
  }
  for (const path of ["a\0b", "/\0"]) {
    assertThrows(() => formatAddress({ family: "unix", path }), RangeError, "no NUL");
  }
});

test("C20 an object that is no address is a TypeError", () => {
  for (const bad of [undefined, null, 80, true, [], {}, { family: "ipx" }, { family: "unix" }]) {
    assertThrows(() => formatAddress(bad as never), TypeError, "formatAddress: the address");
  }
  const incomplete: unknown[] = [
    { family: "inet", address: "127.0.0.1" },
    { family: "inet", port: 80 },
    { family: "inet", address: 1, port: 80 },
    { family: "inet", address: "127.0.0.1", port: "80" },
    { family: "inet", address: "::1", port: 80 },
    { family: "inet6", address: "127.0.0.1", port: 80 },
    { family: "inet6", address: "::1", port: 80, scopeId: "eth0" },
    { family: "inet6", address: "::1", port: 80, flowInfo: 1n },
    { family: "unix", path: null },
  ];
  for (const bad of incomplete) {
    assertThrows(() => checkAddress(bad as AddressLike, "it"), TypeError, "it: ");
  }
  for (const bad of [undefined, null, 80, {}]) {
    assertThrows(() => parseAddress(bad as never), TypeError, "parseAddress: the text");
  }
});
