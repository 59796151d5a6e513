/**
 * Who has an address that is taken, as far as /proc tells it to this user.
 *
 * It is asked only when a call has failed with EADDRINUSE. The files are read by libc, so that Deno
 * needs no permission for it.
 *
 * Kernel: every Linux with /proc.
 *
 * @module
 */

import { entriesOf, kernelText, linesOf, linkOf } from "../ffi/kernel_file.ts";
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from "./ip_address.ts";
import { formatAddress, type SocketAddress } from "./socket_address.ts";
import type { SocketType } from "./socket_options.ts";

/** How long the processes are looked through: with hundreds of thousands of descriptors it takes long. */
const MOST_MS = 250;

/** How much of a command is shown. */
const COMMAND_LENGTH = 80;

/** States in /proc/net/tcp, which udp has too: TCP_LISTEN, and TCP_TIME_WAIT, which belongs to nobody. */
const LISTEN = "0A";
const TIME_WAIT = "06";

/** __SO_ACCEPTCON, among the flags in /proc/net/unix. */
const ACCEPTS = 0x10000;

const WILDCARD = "0".repeat(32);
const MAPPED = `${"0".repeat(20)}ffff`;

/** A socket that is at the address, or at a part of it. */
interface Found {
  readonly inode: string;
  /** What it does there, for the sentence. */
  readonly does: string;
  /** Who made it, null where the kernel does not say. */
  readonly uid: number | null;
}

/**
 * Says in words who has an address, null when nothing is known: `pid 1234 (nginx: master), which listens
 * at 0.0.0.0:80`. It never throws.
 */
export function holderOf(address: SocketAddress, type: SocketType): string | null {
  try {
    const found = address.family === "unix" ? unixSocket(address.path) : ipSocket(address, type);
    return found === null ? null : `${ownerOf(found)}, which ${found.does}`;
  } catch {
    return null; // there is no descriptor left to read with, or /proc is not for this user
  }
}

/** The socket in the way: one that listens, where there is one, and else a connection. */
function ipSocket(address: SocketAddress, type: SocketType): Found | null {
  if (address.family === "unix") return null;
  const octets = address.family === "inet"
    ? parseIPv4(address.address)
    : parseIPv6(address.address);
  const wanted = comparable(hex(octets!));
  const table = type === "stream" ? "tcp" : "udp";
  let best: Found | null = null;
  for (const path of [`/proc/net/${table}`, `/proc/net/${table}6`]) {
    for (const line of linesOf(path)) {
      const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/);
      const [ip, port] = (local ?? "").split(":");
      if (inode === undefined || Number.parseInt(port!, 16) !== address.port) continue;
      const theirs = inWords(ip!);
      const overlap = [wanted, comparable(theirs)].includes(WILDCARD) ||
        comparable(theirs) === wanted;
      if (!overlap || state === TIME_WAIT) continue;
      const where = written(theirs, address.port);
      if (state === LISTEN) return { inode, uid: Number(uid), does: `listens at ${where}` };
      best ??= { inode, uid: Number(uid), does: `has a socket at ${where}` };
    }
  }
  return best;
}

function unixSocket(path: string): Found | null {
  const name = path.replaceAll("\0", "@"); // as the kernel prints an abstract name
  for (const line of linesOf("/proc/net/unix")) {
    const row = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.*)$/.exec(line);
    if (row === null || row[3] !== name) continue;
    const does = (Number.parseInt(row[1]!, 16) & ACCEPTS) !== 0
      ? "listens there"
      : "is bound there";
    return { inode: row[2]!, uid: null, does };
  }
  return null;
}

/** Looks for the process that has a socket open. */
function ownerOf({ inode, uid }: Found): string {
  const link = `socket:[${inode}]`;
  const own = descriptorOf("self", link);
  if (own !== null) return `this process, as fd ${own}`;
  const end = performance.now() + MOST_MS;
  const user = uid === null ? "" : ` of uid ${uid}`;
  let hidden = false;
  for (const pid of entriesOf("/proc") ?? []) {
    if (!/^\d+$/.test(pid)) continue;
    if (performance.now() > end) return `a process${user} among too many to look at`;
    try {
      if (descriptorOf(pid, link) !== null) return `pid ${pid} (${commandOf(pid)})`;
    } catch {
      hidden = true; // another user's
    }
  }
  return hidden
    ? `a process${user} that this user may not look into`
    : `a socket${user} that no process here has open, as one of another container`;
}

/** The descriptor by which a process has something open, null when it does not have it. */
function descriptorOf(pid: string, link: string): string | null {
  const folder = `/proc/${pid}/fd`;
  return entriesOf(folder)?.find((number) => linkOf(`${folder}/${number}`) === link) ?? null;
}

/** What a process was started as; its name where it has no arguments. Never more than printable text. */
function commandOf(pid: string): string {
  const line = kernelText(`/proc/${pid}/cmdline`) || kernelText(`/proc/${pid}/comm`) || "";
  const text = line.replace(/\0/g, " ").trim().replace(/[^\x20-\x7e]/g, "?");
  return text.length > COMMAND_LENGTH ? `${text.slice(0, COMMAND_LENGTH)}…` : text;
}

function hex(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** An address from the tables, where each 32 bits are in the byte order of the machine. */
function inWords(text: string): string {
  const words = text.toLowerCase().match(/.{8}/g) ?? [];
  return words.map((word) => word.match(/../g)!.reverse().join("")).join("");
}

/** An address so that equal ones are equal text: IPv4 as IPv6 has it, and every wildcard the same. */
function comparable(digits: string): string {
  if (/^0*$/.test(digits)) return WILDCARD;
  return digits.length === 8 ? MAPPED + digits : digits;
}

function written(digits: string, port: number): string {
  const octets = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return octets.length === 4
    ? formatAddress({ family: "inet", address: formatIPv4(octets), port })
    : formatAddress({ family: "inet6", address: formatIPv6(octets), port });
}
