/**
 * read(2) and write(2) as every handle makes them: would-block is null, EINTR is retried here, and
 * the number is held for just as long as the call lasts.
 *
 * @module
 */

import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { acquire, type Descriptor, release } from "./descriptor.ts";

const EAGAIN = errnoNumber("EAGAIN");
const EINTR = errnoNumber("EINTR");

/** The most that Linux moves in one call; a count above it would not fit the floor's 32 bits. */
const MAX_RW_COUNT = 0x7ffff000;

/** The getter that no view can replace, as a property of its own or of a subclass could. */
const ownByteLength = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  "byteLength",
)!.get!;

/**
 * How many bytes of a view one call may move. It is asked once, and must be the truth: the kernel
 * would write beyond the memory of a view that claims more. The last byte of a Uint8Array is there or
 * it is not, which costs less to see than the getter.
 *
 * @throws {TypeError} when the view's byteLength is not its own
 */
export function countOf(view: ArrayBufferView): number {
  const length = +view.byteLength + 0;
  if (length !== 0 && (view as Uint8Array)[length - 1] === undefined) {
    const own: number = ownByteLength.call(view);
    if (length !== own) {
      throw new TypeError(`a buffer of ${own} bytes claims to have ${length}: pass one as it is`);
    }
  }
  return length > MAX_RW_COUNT ? MAX_RW_COUNT : length;
}

/** What C is given for a view: a view without bytes may be detached, and has no address. */
export function memoryOf(view: ArrayBufferView): ArrayBufferView | null {
  return view.byteLength === 0 ? null : view;
}

/**
 * A view of the same bytes, all of them, that has no properties of its own: of any other view they can
 * lie about its length, and run code when they are asked. The bytes themselves are not looked at.
 */
export function plain(view: Uint8Array): Uint8Array<ArrayBufferLike> {
  const length: number = ownByteLength.call(view);
  // One that was detached has no bytes, and no view can be made of it.
  return length === 0 ? new Uint8Array() : new Uint8Array(view.buffer, view.byteOffset, length);
}

/**
 * Where a buffer lies. memmove(3) answers it, which works under Deno's narrow grant too, where its
 * own pointers are forbidden. It holds for a view over an explicit ArrayBuffer as long as that lives.
 */
export function addressOf(memory: Uint8Array<ArrayBuffer>): bigint {
  return libc.memmove(memory, memory, 0n);
}

/**
 * Ends a call that returned −1: answers whether to call again (EINTR), or throws after the
 * descriptor was released. `null` is would-block, and the descriptor was released too.
 */
export function again(syscall: string, descriptor: Descriptor, fd: number): true | null {
  const code = errno();
  if (code === EINTR) return true;
  release(descriptor);
  if (code === EAGAIN) return null;
  throw new SyscallError(syscall, code, fd);
}

/** Reads into a view: the number of bytes, 0 at the end of the file, null for would-block. */
export function readInto(descriptor: Descriptor, view: ArrayBufferView): number | null {
  const count = countOf(view);
  const memory = memoryOf(view);
  const fd = acquire(descriptor);
  for (;;) {
    const got = libc.read(fd, memory, count);
    if (got >= 0) {
      release(descriptor);
      return got;
    }
    if (again("read", descriptor, fd) === null) return null;
  }
}

/** Writes a view: how many of its bytes were taken, null for would-block. */
export function writeFrom(descriptor: Descriptor, view: ArrayBufferView): number | null {
  const count = countOf(view);
  const memory = memoryOf(view);
  const fd = acquire(descriptor);
  for (;;) {
    const taken = libc.write(fd, memory, count);
    if (taken >= 0) {
      release(descriptor);
      return taken;
    }
    if (again("write", descriptor, fd) === null) return null;
  }
}

/** Makes one call that cannot block and has no result, and throws what it reports. */
export function control(
  syscall: string,
  descriptor: Descriptor,
  call: (fd: number) => number,
): number {
  const fd = acquire(descriptor);
  try {
    const result = call(fd);
    if (result === -1) throw new SyscallError(syscall, errno(), fd);
    return result;
  } finally {
    release(descriptor);
  }
}
