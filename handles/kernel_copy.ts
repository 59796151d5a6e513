/**
 * Copies between a buffer and mapped memory that the kernel makes. Where a load or a store would end
 * the process by SIGBUS, because somebody has made the file shorter meanwhile, they fail with EFAULT.
 *
 * Kernel: process_vm_readv(2) is Linux 3.2. A process may always use it on itself, unless a seccomp
 * filter forbids it or an emulator does not know it.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc, MAP_FAILED } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import { withRemedy } from "./remedy.ts";

/** How much goes through the scratch memory at once: it stays in the second cache of any CPU. */
const SCRATCH_BYTES = 1 << 16;

const EFAULT = errnoNumber("EFAULT");

/** What stands where the call is not let through. */
const FORBIDDEN: readonly number[] = [errnoNumber("ENOSYS"), errnoNumber("EPERM")];

/**
 * Scratch memory and the two `struct iovec` that lead the kernel to it and to the mapped memory.
 *
 * The scratch memory is C's, because the call takes addresses, and under a narrow grant Deno tells
 * those of JavaScript's buffers to nobody; memcpy(3) takes such a buffer as itself.
 */
export class KernelCopy {
  #scratch: bigint;
  readonly #here = new BigUint64Array(new ArrayBuffer(structs.iovec.size));
  readonly #there = new BigUint64Array(new ArrayBuffer(structs.iovec.size));
  readonly #pid = libc.getpid();

  /** Maps the scratch memory. */
  constructor() {
    const protection = posix.PROT_READ | posix.PROT_WRITE;
    const flags = posix.MAP_PRIVATE | posix.MAP_ANONYMOUS;
    this.#scratch = libc.mmap(0n, BigInt(SCRATCH_BYTES), protection, flags, -1, 0n);
    if (this.#scratch === MAP_FAILED) throw new SyscallError("mmap", errno());
  }

  /** Fills a view from mapped memory: `process_vm_readv(2)`. */
  out(view: Uint8Array, from: bigint): void {
    for (let done = 0; done < view.length; done += SCRATCH_BYTES) {
      const part = partOf(view, done);
      this.#aim(from + BigInt(done), part.length);
      const moved = libc.process_vm_readv(this.#pid, this.#here, 1, this.#there, 1, 0);
      if (moved !== part.length) throw failure("process_vm_readv", moved);
      libc.copy_in(part, this.#scratch, BigInt(moved));
    }
  }

  /** Copies a view into mapped memory: `process_vm_writev(2)`. */
  in(view: Uint8Array, to: bigint): void {
    for (let done = 0; done < view.length; done += SCRATCH_BYTES) {
      const part = partOf(view, done);
      libc.copy_out(this.#scratch, part, BigInt(part.length));
      this.#aim(to + BigInt(done), part.length);
      const moved = libc.process_vm_writev(this.#pid, this.#here, 1, this.#there, 1, 0);
      if (moved !== part.length) throw failure("process_vm_writev", moved);
    }
  }

  /** Unmaps the scratch memory. Nothing can be copied after it. */
  free(): void {
    libc.munmap(this.#scratch, BigInt(SCRATCH_BYTES));
    this.#scratch = 0n;
  }

  #aim(address: bigint, length: number): void {
    const { iov_base, iov_len } = structs.iovec;
    this.#here[iov_base / 8] = this.#scratch;
    this.#there[iov_base / 8] = address;
    this.#here[iov_len / 8] = this.#there[iov_len / 8] = BigInt(length);
  }
}

function partOf(view: Uint8Array, done: number): Uint8Array {
  return view.length <= SCRATCH_BYTES ? view : view.subarray(done, done + SCRATCH_BYTES);
}

/** A call that moved less than it should have met the end of the file on its way. */
function failure(syscall: string, moved: number): unknown {
  const code = moved === -1 ? errno() : EFAULT;
  if (FORBIDDEN.includes(code)) {
    return new UnsupportedError(
      "copying from and to memory whose file anybody can make shorter",
      `${syscall}(2), which a sandbox or an emulator withholds here, or memory that has the seal ` +
        '"shrink" before it is mapped',
    );
  }
  return withRemedy(new SyscallError(syscall, code), {
    EFAULT: 'Somebody has made the file shorter than the region: seal("shrink") before ' +
      "MappedRegion.map prevents it",
  });
}
