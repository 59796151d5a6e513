/**
 * The memory of a signal handler: its code, which is never changed, and the data it works with.
 *
 * It is read and written by memcpy(3), so that Deno needs no more than the grant to call libc.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc, MAP_FAILED } from "../ffi/libc.ts";
import { arch } from "../ffi/platform.ts";
import { memoryAt } from "../ffi/proc.ts";
import { structs } from "../ffi/structs.ts";
import {
  DATA,
  DATA_OFFSET,
  ORDER,
  RING_RECORDS,
  STUB_BYTES,
  stubBytes,
  STUBS,
} from "../ffi/signal_stub.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";

const COUNTERS_BYTES = 8n;

/** An addition to it keeps the reads before it from those after it, on CPUs that swap them. */
const fence = new Int32Array(new SharedArrayBuffer(4));

/** A signal handler that is in memory. */
export class SignalPage {
  /** Where the code begins: what sigaction(2) is given. */
  readonly address: bigint;
  readonly #counters = new Uint32Array(new ArrayBuffer(8));
  readonly #countersAt: bigint;

  /** Speaks to the handler at an address that {@link SignalPage.make} answered, here or elsewhere. */
  constructor(address: bigint) {
    this.address = address;
    this.#countersAt = this.#at(DATA.head);
  }

  /**
   * Puts a handler into memory. It stays there until the process ends, because no one can tell that
   * no thread is about to run it.
   *
   * @throws {UnsupportedError} when there is none for this CPU, or memory cannot be made executable
   * @throws {SyscallError} ENOMEM
   */
  static make(): SignalPage {
    const stub = STUBS[arch];
    if (stub === undefined) throw new UnsupportedError("SignalFD", "an x86-64 or arm64 CPU");
    const { PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE } = posix;
    const [length, protection] = [BigInt(STUB_BYTES), PROT_READ | PROT_WRITE];
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const address = libc.mmap(0n, length, protection, flags, -1, 0n);
    if (address === MAP_FAILED) check("mmap", -1);
    const page = new SignalPage(address);
    const code = stubBytes(stub);
    libc.copy_out(address, code, BigInt(code.byteLength));
    page.#put(DATA.pid, Int32Array.of(libc.getpid()));
    const [random] = crypto.getRandomValues(new Int32Array(1));
    page.#put(DATA.nonce, Int32Array.of(random! | 0x8000_0000));
    // On arm64 the kernel brings the instruction cache up to date when a page becomes executable.
    if (libc.mprotect(address, BigInt(DATA_OFFSET), PROT_READ | PROT_EXEC) === -1) {
      libc.munmap(address, length);
      throw new UnsupportedError(
        "SignalFD",
        "the right to make memory executable (SELinux: execmem), as a compiler at run time does",
      );
    }
    return page;
  }

  /** Whether a handler is this library's, of this thread's module or of another's. */
  static isAt(handler: bigint): boolean {
    const stub = STUBS[arch];
    if (stub === undefined) return false;
    const code = stubBytes(stub);
    return memoryAt(handler, code.byteLength)?.every((byte, index) => byte === code[index]) ??
      false;
  }

  /** Says which pipe is written to. */
  setPipe(fd: number): void {
    this.#put(DATA.fd, Int32Array.of(fd));
  }

  /** Says which signals are written to the pipe; the others that arrive here are dropped. */
  setBits(bits: bigint): void {
    this.#put(DATA.bits, BigUint64Array.of(bits));
  }

  /** Whether there is something in the ring. */
  get spilled(): boolean {
    libc.copy_in(this.#counters, this.#countersAt, COUNTERS_BYTES);
    return this.#counters[0] !== this.#counters[1];
  }

  /**
   * Takes records out of the ring, the oldest first, for as long as they are accepted. One that a
   * handler has not written to its end stops it: that handler leaves a marker in the pipe.
   */
  takeSpilled(accept: (record: Uint8Array) => boolean): void {
    while (this.spilled) {
      const tail = this.#counters[1]!;
      const place = DATA.ring + (tail % RING_RECORDS) * structs.siginfo_t.size;
      if (this.#get(place, 4).every((byte) => byte === 0)) return;
      Atomics.add(fence, 0, 1);
      if (!accept(this.#get(place, structs.siginfo_t.size))) return;
      this.#put(place, Int32Array.of(0));
      Atomics.add(fence, 0, 1);
      this.#put(DATA.tail, Uint32Array.of(tail + 1));
    }
  }

  /** Makes the siginfo_t of an order that this handler obeys: to block some signals, or none. */
  order(number: number, block: bigint): Uint8Array<ArrayBuffer> {
    const info = new Uint8Array(new ArrayBuffer(structs.siginfo_t.size));
    const view = new DataView(info.buffer);
    info.set(this.#get(DATA.nonce, 4), ORDER.nonce);
    view.setInt32(structs.siginfo_t.si_code, posix.SI_QUEUE, true);
    view.setInt32(ORDER.number, number, true);
    view.setBigUint64(ORDER.block, block, true);
    return info;
  }

  /** Forgets which orders were carried out. */
  clearAcks(count: number): void {
    this.#put(DATA.acks, new Uint8Array(new ArrayBuffer(count)));
  }

  /** A byte for each order: not 0 when it was carried out. */
  acks(count: number): Uint8Array<ArrayBuffer> {
    return this.#get(DATA.acks, count);
  }

  #at(place: number): bigint {
    return this.address + BigInt(DATA_OFFSET + place);
  }

  #put(place: number, value: ArrayBufferView): void {
    libc.copy_out(this.#at(place), value, BigInt(value.byteLength));
  }

  #get(place: number, length: number): Uint8Array<ArrayBuffer> {
    const value = new Uint8Array(new ArrayBuffer(length));
    libc.copy_in(value, this.#at(place), BigInt(length));
    return value;
  }
}
