import { spawnSync } from "node:child_process";
import { assertEquals } from "@std/assert";
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from "../handles/ip_address.ts";
import { hasCommand, test } from "./support.ts";

const hex = (bytes: Uint8Array | null): string | null =>
  bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

test("C20 parseIPv4 reads four decimal octets and nothing else", () => {
  assertEquals(hex(parseIPv4("0.0.0.0")), "00000000");
  assertEquals(hex(parseIPv4("127.0.0.1")), "7f000001");
  assertEquals(hex(parseIPv4("255.255.255.255")), "ffffffff");
  const bad = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.04",
    "01.2.3.4",
    "1.2.3.-4",
    "1.2.3.4 ",
  ]
    .concat(["1..2.3", "0x7f.0.0.1", "1.2.3.4e0", "localhost", "::1", "1.2.3.+4", "1.2.3.٤"]);
  for (const text of bad) assertEquals(parseIPv4(text), null, text);
});

test("C20 parseIPv6 reads every form of RFC 4291", () => {
  const zeros = (count: number): string => "0000".repeat(count);
  const good: [string, string][] = [
    ["::", zeros(8)],
    ["::1", `${zeros(7)}0001`],
    ["1::", `0001${zeros(7)}`],
    ["2001:DB8::8:800:200c:417A", `20010db8${zeros(2)}00080800200c417a`],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["::2:3:4:5:6:7:8", "00000002000300040005000600070008"],
    ["::ffff:129.144.52.38", `${zeros(5)}ffff81903426`],
    ["64:ff9b::192.0.2.33", `0064ff9b${zeros(4)}c0000221`],
    ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
  ];
  for (const [text, bytes] of good) assertEquals(hex(parseIPv6(text)), bytes, text);
});

test("C20 parseIPv6 refuses what is none", () => {
  const bad = ["", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::"]
    .concat([":1", "1:", "1:2:3:4:5:6:7:8::", "::1.2.3", "1.2.3.4", "1.2.3.4::", "::1.2.3.4:5"])
    .concat(["1:2:3:4:5:6:7:1.2.3.4", "::1%2", "[::1]", " ::1", "::-1", "1:2:3:4::5:6:7:8"]);
  for (const text of bad) assertEquals(parseIPv6(text), null, text);
});

test("C20 formatIPv6 has the one spelling of RFC 5952", () => {
  const spellings: [string, string][] = [
    ["2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], // the first of two runs
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // one group is not shortened
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"], // the longest run
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["0:0:0:0:0:ffff:7f00:1", "::ffff:127.0.0.1"],
    ["0:0:0:0:ffff:0:7f00:1", "::ffff:0:7f00:1"],
  ];
  for (const [text, spelling] of spellings) assertEquals(formatIPv6(parseIPv6(text)!), spelling);
});

/** Random bytes with many zeros in them, the same in every run. */
function* samples(count: number, size: number): Generator<Uint8Array> {
  let state = 0x2545f491;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let sample = 0; sample < count; sample++) {
    const bytes = new Uint8Array(size);
    for (let group = 0; group < size; group += 2) {
      if (next() % 5 < 3) continue;
      bytes[group] = next() % 3 === 0 ? 0 : next();
      bytes[group + 1] = next();
    }
    yield bytes;
  }
}

/** What inet_ntop(3) says of lines of hexadecimal bytes. */
function inetNtop(lines: readonly string[]): string[] {
  const program = `
import socket, sys
for line in sys.stdin.read().split():
    data = bytes.fromhex(line)
    print(socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data))`;
  const { stdout, status } = spawnSync("python3", ["-c", program], {
    input: lines.join("\n"),
    encoding: "utf8",
  });
  assertEquals(status, 0);
  return stdout.trimEnd().split("\n");
}

test.if(
  hasCommand("python3"),
  "there is no python3",
  "C20 addresses are spelled and read as inet_ntop(3) and inet_pton(3) do",
  () => {
    const all = [...samples(200, 4), ...samples(2000, 16)];
    const spellings = inetNtop(all.map((bytes) => hex(bytes)!));
    for (const [index, bytes] of all.entries()) {
      const text = spellings[index]!;
      const isShort = bytes.length === 4;
      assertEquals(hex(isShort ? parseIPv4(text) : parseIPv6(text)), hex(bytes), text);
      // glibc writes ::/96 like ::ffff:0:0/96, which RFC 5952 does not ask for.
      if (!isShort && /^::[\d.]+\.\d+$/.test(text)) continue;
      assertEquals(isShort ? formatIPv4(bytes) : formatIPv6(bytes), text);
    }
  },
);
