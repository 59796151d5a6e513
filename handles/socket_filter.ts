/**
 * Filters of a listener: which packets reach it at all, `setsockopt(SO_ATTACH_FILTER)`.
 *
 * Kernel: Linux 2.2; of a TCP listener, IPv4 and IPv6 alike, since 2.6.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { socket, socketStructs } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { addressOf } from "./io.ts";

const { BPF_LD, BPF_B, BPF_ABS, BPF_JMP, BPF_JSET, BPF_K, BPF_RET } = linux;
const { sock_filter, sock_fprog } = socketStructs;

/** A filter of TCP sees a packet from its TCP header on, of which byte 13 has the flags. */
const FLAGS_AT = 13;
const SYN = 2;

/** How many bytes of a packet a filter lets through. */
const ALL = 0xffff_ffff;
const NOTHING = 0;

type Instruction = readonly [code: number, jumpIf: number, jumpElse: number, k: number];

/** The instructions of a filter. */
export type Filter = readonly Instruction[];

/** Keeps clients out that begin to connect, and lets those finish who have begun. */
export const NO_SYN: Filter = [
  [BPF_LD | BPF_B | BPF_ABS, 0, 0, FLAGS_AT],
  [BPF_JMP | BPF_JSET | BPF_K, 0, 1, SYN],
  [BPF_RET | BPF_K, 0, 0, NOTHING],
  [BPF_RET | BPF_K, 0, 0, ALL],
];

/** Lets nothing through. */
export const NO_PACKET: Filter = [[BPF_RET | BPF_K, 0, 0, NOTHING]];

/**
 * Gives a socket a filter, in the place of the one that it has. Answers whether the kernel took it: a
 * sandbox may forbid it.
 */
export function attachFilter(fd: number, filter: Filter): boolean {
  // One memory for both, so that the instructions live for as long as the call.
  const bytes = new Uint8Array(new ArrayBuffer(sock_fprog.size + filter.length * sock_filter.size));
  const fields = new DataView(bytes.buffer);
  fields.setUint16(sock_fprog.len, filter.length, true);
  fields.setBigUint64(sock_fprog.filter, addressOf(bytes) + BigInt(sock_fprog.size), true);
  for (const [index, [code, jumpIf, jumpElse, k]] of filter.entries()) {
    const at = sock_fprog.size + index * sock_filter.size;
    fields.setUint16(at + sock_filter.code, code, true);
    fields.setUint8(at + sock_filter.jt, jumpIf);
    fields.setUint8(at + sock_filter.jf, jumpElse);
    fields.setUint32(at + sock_filter.k, k, true);
  }
  const { SOL_SOCKET, SO_ATTACH_FILTER } = socket;
  return libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, bytes, sock_fprog.size) === 0;
}
