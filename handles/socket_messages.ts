/**
 * Messages with descriptors in them: sendmsg(2) and recvmsg(2).
 *
 * Kernel: MSG_CMSG_CLOEXEC is Linux 2.6.23. SCM_PIDFD, which an adopted socket may be set to receive,
 * is 6.5.
 *
 * @module
 */

import { socket, socketStructs } from "../ffi/const_socket.ts";
import { libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";
import { addressOf, again } from "./io.ts";

const { msghdr, cmsghdr } = socketStructs;
const { SOL_SOCKET, SCM_RIGHTS, SCM_PIDFD } = socket;
const { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, MSG_TRUNC } = socket;

/** The most descriptors in one message: `SCM_MAX_FD` of the kernel. */
export const MOST_DESCRIPTORS = 253;

/** Where the parts of a message lie in {@link parts}. */
const VECTOR_AT = 64;
const CONTROL_AT = 128;

/**
 * Room for 253 descriptors, and before them for whatever else an adopted socket was set to receive:
 * credentials, a pidfd, a timestamp, a security label.
 */
const CONTROL_BYTES = 2048;

/** Messages up to this long go through memory that is kept. */
const KEPT_BYTES = 1 << 16;

const parts = new Uint8Array(new ArrayBuffer(CONTROL_AT + CONTROL_BYTES));
const fields = new DataView(parts.buffer);

/**
 * The bytes of a message. They are copied into and out of memory whose place does not change: that
 * of a small typed array does, in both runtimes, when its buffer is asked for or it is collected. A
 * longer message has memory of its own, which stays here while the kernel knows its address.
 */
let payload = new Uint8Array(new ArrayBuffer(0));

/** What a message brought, before anybody owns it. */
export interface Received {
  readonly length: number;
  /** Open descriptors that nobody owns yet. */
  readonly numbers: readonly number[];
  /** Whether the kernel has thrown something away: bytes without room, descriptors without number. */
  readonly truncated: boolean;
}

/** Sends bytes with descriptors: how many bytes were taken, null for would-block. */
export function sendWith(
  descriptor: Descriptor,
  numbers: readonly number[],
  bytes: Uint8Array,
): number | null {
  const length = cmsghdr.size + numbers.length * 4;
  prepare(bytes.byteLength, length);
  payload.set(bytes);
  fields.setUint32(CONTROL_AT + cmsghdr.cmsg_len, length, true);
  fields.setInt32(CONTROL_AT + cmsghdr.cmsg_level, SOL_SOCKET, true);
  fields.setInt32(CONTROL_AT + cmsghdr.cmsg_type, SCM_RIGHTS, true);
  for (const [index, number] of numbers.entries()) {
    fields.setInt32(CONTROL_AT + cmsghdr.size + index * 4, number, true);
  }
  const fd = acquire(descriptor);
  for (;;) {
    const taken = libc.sendmsg(fd, parts, MSG_NOSIGNAL);
    if (taken >= 0) {
      release(descriptor);
      return taken;
    }
    if (again("sendmsg", descriptor, fd) === null) return null;
  }
}

/** Receives bytes and the descriptors that are with them; null for would-block. */
export function receiveWith(descriptor: Descriptor, buffer: Uint8Array): Received | null {
  prepare(buffer.byteLength, CONTROL_BYTES);
  const fd = acquire(descriptor);
  for (;;) {
    const length = libc.recvmsg(fd, parts, MSG_CMSG_CLOEXEC);
    if (length >= 0) {
      release(descriptor);
      const numbers = takeNumbers();
      buffer.set(payload.subarray(0, length));
      const flags = fields.getInt32(msghdr.msg_flags, true);
      return { length, numbers, truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0 };
    }
    if (again("recvmsg", descriptor, fd) === null) return null;
  }
}

/** Points a `struct msghdr` at memory for so many bytes. */
function prepare(length: number, controlLength: number): void {
  if (length > payload.byteLength || payload.byteLength > KEPT_BYTES) {
    payload = new Uint8Array(new ArrayBuffer(Math.max(length, KEPT_BYTES)));
  }
  const at = addressOf(parts);
  fields.setBigUint64(msghdr.msg_iov, at + BigInt(VECTOR_AT), true);
  fields.setUint32(msghdr.msg_iovlen, 1, true);
  fields.setBigUint64(msghdr.msg_control, at + BigInt(CONTROL_AT), true);
  fields.setUint32(msghdr.msg_controllen, controlLength, true);
  fields.setBigUint64(VECTOR_AT + structs.iovec.iov_base, addressOf(payload), true);
  fields.setBigUint64(VECTOR_AT + structs.iovec.iov_len, BigInt(length), true);
}

/** The descriptors among the control messages. Those that nobody asked for are closed. */
function takeNumbers(): number[] {
  const numbers: number[] = [];
  const end = CONTROL_AT + fields.getUint32(msghdr.msg_controllen, true);
  for (let at = CONTROL_AT; at + cmsghdr.size <= end;) {
    const length = fields.getUint32(at + cmsghdr.cmsg_len, true);
    if (length < cmsghdr.size) break;
    const type = fields.getInt32(at + cmsghdr.cmsg_level, true) === SOL_SOCKET
      ? fields.getInt32(at + cmsghdr.cmsg_type, true)
      : NaN;
    for (let word = at + cmsghdr.size; word + 4 <= Math.min(at + length, end); word += 4) {
      const number = fields.getInt32(word, true);
      if (type === SCM_RIGHTS) numbers.push(number);
      if (type === SCM_PIDFD && number >= 0) libc.close(number);
    }
    at += (length + 7) & ~7;
  }
  return numbers;
}
