/**
 * IP addresses as people write them, and as their 4 or 16 bytes.
 *
 * What is read is what inet_pton(3) reads; what is written is RFC 5952's one spelling.
 *
 * @module
 */

const GROUPS = 8;

/** An octet without a leading zero, which elsewhere means octal. */
const OCTET = /^(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** The 4 bytes of "127.0.0.1", null for what is none. */
export function parseIPv4(text: string): Uint8Array<ArrayBuffer> | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => OCTET.test(part))) return null;
  const octets = parts.map(Number);
  return octets.every((octet) => octet <= 255) ? Uint8Array.from(octets) : null;
}

/** "127.0.0.1" of 4 bytes. */
export function formatIPv4(octets: Uint8Array): string {
  return octets.join(".");
}

/** The 16 bytes of "::1", null for what is none. */
export function parseIPv6(text: string): Uint8Array<ArrayBuffer> | null {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return null;
  const before = parseGroups(head, tail === undefined);
  const after = tail === undefined ? [] : parseGroups(tail, true);
  if (before === null || after === null) return null;
  const missing = GROUPS - before.length - after.length;
  // "::" stands for at least one group.
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...before, ...Array<number>(missing).fill(0), ...after];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** "::1" of 16 bytes. */
export function formatIPv6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: GROUPS },
    (_, index) => bytes[2 * index]! << 8 | bytes[2 * index + 1]!,
  );
  if (isMapped(groups)) return `::ffff:${formatIPv4(bytes.subarray(12))}`;
  const { start, length } = longestZeros(groups);
  const words = groups.map((group) => group.toString(16));
  if (length < 2) return words.join(":");
  return `${words.slice(0, start).join(":")}::${words.slice(start + length).join(":")}`;
}

/** The groups on one side of "::", the last of which may be an IPv4 address in place of two. */
function parseGroups(text: string, isEnd: boolean): number[] | null {
  if (text === "") return [];
  const words = text.split(":");
  const last = isEnd ? parseIPv4(words.at(-1)!) : null;
  if (last !== null) words.pop();
  if (!words.every((word) => GROUP.test(word))) return null;
  const groups = words.map((word) => parseInt(word, 16));
  if (last !== null) groups.push(last[0]! << 8 | last[1]!, last[2]! << 8 | last[3]!);
  return groups;
}

/** Whether it is an IPv4 address that a socket of both families sees: ::ffff:0:0/96. */
function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

/** The longest run of zeros, the first of several. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: index + 1 - length, length };
  }
  return longest;
}
