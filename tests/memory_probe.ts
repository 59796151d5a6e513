/**
 * What can be done with sealed memory: each operation of the suites, tried with the bare calls, and
 * with ours where there is one.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoName } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { MappedRegion } from "../handles/mapped_region.ts";
import type { MemFD } from "../handles/mem_fd.ts";

// fallocate(2): FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
const PUNCH_HOLE = 3;

/** int fallocate(int fd, int mode, off_t offset, off_t len); the library has no use for it. */
const fallocate = backend.bind("fallocate", ["i32", "i32", "i32", "i64", "i64"]) as
  | ((fd: number, mode: number, offset: bigint, length: bigint) => number)
  | null;

/** Tries operations on memory of a size. */
export class MemoryProbe {
  readonly #memory: MemFD;
  readonly #size: number;

  constructor(memory: MemFD, size: number) {
    this.#memory = memory;
    this.#size = size;
  }

  /** Does one of them: `ok`, or the name of the error. */
  attempt(operation: string): string {
    try {
      return this.#operation(operation);
    } catch (error) {
      if (error instanceof SyscallError) return error.code;
      throw error;
    }
  }

  #operation(operation: string): string {
    const memory = this.#memory;
    const byte = new Uint8Array(new ArrayBuffer(1));
    switch (operation) {
      case "read":
        return memory.pread(byte, 0) === 1 ? "ok" : "nothing read";
      case "write":
        return memory.write(byte) === 1 ? "ok" : "nothing written";
      case "punch":
        return outcome(fallocate!(memory.raw, PUNCH_HOLE, 0n, BigInt(this.#size)));
      case "map write":
        return this.#map("write");
      case "map read":
        return this.#map("read");
      case "shrink":
        memory.truncate(this.#size / 2);
        return memory.size === this.#size / 2 ? "ok" : "not shrunk";
      case "grow":
        memory.truncate(this.#size * 2);
        return memory.size === this.#size * 2 ? "ok" : "not grown";
      case "grow write":
        return memory.pwrite(byte, this.#size * 4) === 1 ? "ok" : "nothing written";
      default:
        throw new TypeError(`there is no operation ${operation}`);
    }
  }

  /** A mapping for reading must not become one for writing when writing is sealed. */
  #map(access: "read" | "write"): string {
    using region = MappedRegion.map(this.#memory, { access });
    const byte = new Uint8Array(1);
    if (access === "write") region.copyIn(byte);
    region.copyOut(byte);
    return "ok";
  }
}

function outcome(result: number): string {
  return result === -1 ? errnoName(errno()) : "ok";
}

/** Whether memory that is mapped for reading, by the bare call, can be made writable. */
export function canBecomeWritable(memory: MemFD, size: number): boolean {
  const { PROT_READ, PROT_WRITE, MAP_SHARED } = posix;
  const address = libc.mmap(0n, BigInt(size), PROT_READ, MAP_SHARED, memory.raw, 0n);
  const result = libc.mprotect(address, BigInt(size), PROT_READ | PROT_WRITE);
  libc.munmap(address, BigInt(size));
  return result === 0;
}
