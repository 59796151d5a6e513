/**
 * A file's memory as this process's own.
 *
 * Kernel: mmap(2) is every POSIX system's. That a write-sealed memfd can be mapped shared and
 * read-only is Linux 6.13.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { backend } from "../ffi/platform.ts";
import { ClosedError } from "./closed_error.ts";
import { type Descriptor, OWNED } from "./descriptor.ts";
import { plain } from "./io.ts";
import { KernelCopy } from "./kernel_copy.ts";
import { mapFile, type MapOptions, type Mapping } from "./mapping.ts";
import { bytes, flag, integer, options as checkOptions } from "./validate.ts";

/** The address of a region that was unmapped. */
const NOWHERE = 0n;

/** How {@linkcode MappedRegion.sync} works. */
export interface SyncOptions {
  /** Whether to wait until all is written: MS_SYNC, and else MS_ASYNC. Default: true. */
  wait?: boolean;
  /** Whether other mappings of the file are to see it afresh: MS_INVALIDATE. Default: false. */
  invalidate?: boolean;
}

/**
 * A part of a file or of a {@linkcode MemFD} as memory: `mmap(2)`. It outlives the descriptor, and
 * only {@link MappedRegion.unmap} ends it: the garbage collector never does.
 *
 * There are two ways to its bytes. {@link MappedRegion.copyIn} and {@link MappedRegion.copyOut}
 * never crash, whatever others do to the file. The views, {@link MappedRegion.bytes} and
 * {@link MappedRegion.buffer}, are the memory itself: `Atomics` work on an Int32Array over it, and
 * other processes see each store at once. What JavaScript does not tell of them:
 *
 * - **Shrinking.** To touch a view where the file has been made shorter ends the process by SIGBUS;
 *   so does a disk that is full or fails. {@link MemFD.truncate} refuses it in this process; against
 *   others, call `seal("shrink")` before mapping, and map with `requireSeal`.
 * - **Transferring.** A buffer that was sent away with a transfer list takes the memory with it: the
 *   region then has no views any more, and unmap() leaves the memory mapped rather than pull it from
 *   under the receiver. Without the list, `postMessage` copies. A worker that is to see the memory
 *   maps the file again: hand it `memory.share()`.
 * - **Operations under way.** On Bun, unmap() declines while an asynchronous operation of the runtime
 *   (a file read, a compression) uses a view. Deno 2.9 cannot tell: await such operations first.
 * - `Atomics.wait` throws, because the buffer is no SharedArrayBuffer: wait on an `EventFD`.
 * - Bun 1.4 has no buffers beyond 4 GiB: map the parts.
 *
 * Platforms: Linux, macOS, FreeBSD; elsewhere than on Linux the copies are as exposed as the views.
 * Under Deno's narrow grant there are no views. See mmap(2), msync(2).
 *
 * @example
 * ```ts
 * import { MappedRegion, MemFD } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using memory = MemFD.create("board", { sealing: true });
 * memory.truncate(4096);
 * memory.seal("shrink");
 * using region = MappedRegion.map(memory, { requireSeal: true });
 *
 * const counts = new Int32Array(region.buffer);
 * Atomics.add(counts, 0, 3);
 * const here = new Uint8Array(4);
 * memory.pread(here, 0);
 * assertEquals(here[0], 3);
 *
 * region.unmap();
 * assertEquals([counts.length, region.length], [0, 0]);
 * ```
 */
export class MappedRegion implements Disposable {
  #address: bigint;
  readonly #length: number;
  readonly #span: bigint;
  readonly #writable: boolean;
  readonly #steady: boolean;
  #buffer: ArrayBuffer | null = null;
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #copy: KernelCopy | null = null;
  #left = false;

  private constructor(key: symbol, owned: Mapping) {
    if (key !== OWNED) {
      throw new TypeError("new MappedRegion() is not possible: call MappedRegion.map");
    }
    this.#address = owned.address;
    this.#length = owned.length;
    this.#span = owned.span;
    this.#writable = owned.writable;
    this.#steady = owned.steady;
  }

  /** Always `"MappedRegion"`. */
  get [Symbol.toStringTag](): string {
    return "MappedRegion";
  }

  /**
   * Maps a part of a file: `mmap(2)`. The handle can be closed as soon as this returns.
   *
   * Nothing beyond the end of the file is mapped, since touching it would end the process. Huge
   * pages are taken from the system's pool here; other memory when it is first touched.
   *
   * @param file a regular file or a {@linkcode MemFD}
   * @throws {TypeError} when `file` is no handle of a file that can be mapped, an option is not what
   *   it should be, or `requireSeal` finds no seal
   * @throws {RangeError} when the part is empty, begins inside a page, or ends beyond the file
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EACCES, when the descriptor is not open for what is asked; EPERM, when it
   *   is sealed against writing; ENOMEM, when huge pages, address space or mappings run out; ENODEV,
   *   when its file system does not map; EINVAL, when it begins inside a huge page
   *
   * @example
   * ```ts
   * import { MappedRegion, MemFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * const memory = MemFD.create("page");
   * memory.write(new TextEncoder().encode("hello"));
   * using draft = MappedRegion.map(memory, { shared: false }); // copy-on-write
   * memory.close();
   * draft.copyIn(new TextEncoder().encode("J"));
   * const text = new Uint8Array(5);
   * draft.copyOut(text);
   * assertEquals(new TextDecoder().decode(text), "Jello");
   * ```
   */
  static map(file: Descriptor, options: MapOptions = {}): MappedRegion {
    return new MappedRegion(OWNED, mapFile(file, options, "MappedRegion.map"));
  }

  /** How many bytes are mapped, 0 once the region is unmapped. */
  get length(): number {
    return this.valid ? this.#length : 0;
  }

  /** Whether the region is mapped. */
  get valid(): boolean {
    return this.#address !== NOWHERE;
  }

  /**
   * The memory itself, as an ArrayBuffer: the same one each time, length 0 after unmap(). The class's
   * comment says what is different about it.
   *
   * @throws {TypeError} when the region was mapped with access `"read"`, or its buffer was
   *   transferred away
   * @throws {RangeError} when the runtime has no buffers of that length
   * @throws {ClosedError} when the region is unmapped
   * @throws {UnsupportedError} on Deno without the full permission `--allow-ffi`
   */
  get buffer(): ArrayBuffer {
    const address = this.#open();
    if (this.#buffer === null) this.#buffer = this.#layBuffer(address);
    if (this.#buffer.detached) {
      throw new TypeError(
        "MappedRegion.buffer was transferred away, and its views with it: copyIn and copyOut still " +
          "work, and mapping the file again gives other views",
      );
    }
    return this.#buffer;
  }

  /**
   * The memory itself, as bytes: a view over {@link MappedRegion.buffer}, the same one each time,
   * length 0 after unmap(). It throws what that throws.
   *
   * @example
   * ```ts
   * import { MappedRegion, MemFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using memory = MemFD.create("letters");
   * memory.write(new TextEncoder().encode("abc"));
   * using region = MappedRegion.map(memory);
   * region.bytes[0] = 65;
   * const buffer = new Uint8Array(3);
   * memory.pread(buffer, 0);
   * assertEquals(new TextDecoder().decode(buffer), "Abc");
   * ```
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    const buffer = this.buffer;
    return this.#bytes ??= new Uint8Array(buffer);
  }

  /**
   * Copies all of a buffer into the region. Where somebody has made the file shorter, it throws, and
   * what lies before the gap may have been copied.
   *
   * A file with the seal `"shrink"` is copied into by `memcpy(3)`, which costs next to nothing; every
   * other one by the kernel, `process_vm_writev(2)`, at about the cost of three calls.
   *
   * @param source the bytes
   * @param offset where they go in the region, 0 by default
   * @throws {TypeError} when the source is no typed array or DataView, or the region was mapped with
   *   access `"read"`
   * @throws {RangeError} when they do not fit
   * @throws {ClosedError} when the region is unmapped
   * @throws {SyscallError} EFAULT, when the file is shorter than the region by now
   * @throws {UnsupportedError} without that seal, where a sandbox forbids `process_vm_writev(2)`
   */
  copyIn(source: ArrayBufferView, offset: number = 0): void {
    // The address comes last: a view of somebody's own class may unmap the region when it is asked.
    const view = plain(bytes(source, "MappedRegion.copyIn: the source"));
    const address = this.#open();
    if (!this.#writable) {
      throw new TypeError('MappedRegion.copyIn needs a region with access "write", got "read"');
    }
    const to = address + this.#place(view, offset, "copyIn");
    if (view.length === 0) return;
    if (view.buffer === this.#buffer) {
      this.#move(address, view.byteOffset, offset, view.length);
    } else if (this.#steady) libc.copy_out(to, view, BigInt(view.length));
    else (this.#copy ??= new KernelCopy()).in(view, to);
  }

  /**
   * Fills all of a buffer from the region. Where somebody has made the file shorter, it throws, and
   * what lies before the gap may have been copied.
   *
   * A file with the seal `"shrink"` is copied by `memcpy(3)`, which costs next to nothing; every
   * other one by the kernel, `process_vm_readv(2)`, at about the cost of three calls.
   *
   * @param target where the bytes go
   * @param offset where they begin in the region, 0 by default
   * @throws {TypeError} when the target is no typed array or DataView
   * @throws {RangeError} when the region ends before the target is full
   * @throws {ClosedError} when the region is unmapped
   * @throws {SyscallError} EFAULT, when the file is shorter than the region by now
   * @throws {UnsupportedError} without that seal, where a sandbox forbids `process_vm_readv(2)`
   *
   * @example
   * ```ts
   * import { MappedRegion, MemFD } from "@fdloop/fdloop";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * using memory = MemFD.create("record");
   * memory.truncate(1 << 17);
   * using region = MappedRegion.map(memory, { offset: 1 << 16 });
   * region.copyIn(new Uint8Array([1, 2, 3]), 10);
   * const target = new Uint8Array(3);
   * region.copyOut(target, 10);
   * assertEquals([...target], [1, 2, 3]);
   * assertThrows(() => region.copyOut(target, 65534), RangeError, "from 0 to 65533");
   * ```
   */
  copyOut(target: ArrayBufferView, offset: number = 0): void {
    const view = plain(bytes(target, "MappedRegion.copyOut: the target"));
    const address = this.#open();
    const from = address + this.#place(view, offset, "copyOut");
    if (view.length === 0) return;
    if (view.buffer === this.#buffer) {
      this.#move(address, offset, view.byteOffset, view.length);
    } else if (this.#steady) libc.copy_in(view, from, BigInt(view.length));
    else (this.#copy ??= new KernelCopy()).out(view, from);
  }

  /**
   * Writes what was changed back to the file's disk: `msync(2)`. It changes nothing for a memfd,
   * which has none, and for a region that is not shared.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {ClosedError} when the region is unmapped
   * @throws {SyscallError} EIO, when the disk fails; EBUSY, when `invalidate` meets locked memory
   */
  sync(options: SyncOptions = {}): void {
    const what = "MappedRegion.sync";
    const { wait = true, invalidate = false } = checkOptions(options, `${what}: options`);
    const flags = (flag(wait, `${what}: wait`) ? posix.MS_SYNC : posix.MS_ASYNC) |
      (flag(invalidate, `${what}: invalidate`) ? posix.MS_INVALIDATE : 0);
    check("msync", libc.msync(this.#open(), this.#span, flags));
  }

  /**
   * Ends the region: every view ever handed out has length 0 from here on, and then the memory is
   * given back: `munmap(2)`. Doing it again does nothing.
   *
   * Answers whether the memory was given back. False means one of two things. On Bun, an
   * asynchronous operation of the runtime is using a view: the region stays as it was, to be
   * unmapped when that has ended. Or the region's buffer was transferred away: the region is over,
   * and its memory stays mapped as long as the process lives, because whoever has the buffer now
   * would crash without it.
   *
   * @throws {SyscallError} ENOMEM, when the kernel would have to split a mapping and has no more
   *
   * @example
   * ```ts
   * import { MappedRegion, MemFD } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using memory = MemFD.create("short-lived");
   * memory.truncate(4096);
   * const region = MappedRegion.map(memory);
   * const [bytes, part] = [region.bytes, region.bytes.subarray(8, 16)];
   * assertEquals([region.unmap(), region.unmap()], [true, true]);
   * assertEquals([bytes.length, part.length, part[0]], [0, 0, undefined]);
   * ```
   */
  unmap(): boolean {
    if (!this.valid) return !this.#left;
    if (this.#buffer?.detached) this.#left = true;
    else if (!this.#detach()) return false;
    else check("munmap", libc.munmap(this.#address, this.#span));
    this.#address = NOWHERE;
    this.#copy?.free();
    return !this.#left;
  }

  /** Ends the region at the end of a `using` block: {@link MappedRegion.unmap}. */
  [Symbol.dispose](): void {
    this.unmap();
  }

  #open(): bigint {
    if (this.#address === NOWHERE) throw new ClosedError("MappedRegion");
    return this.#address;
  }

  #layBuffer(address: bigint): ArrayBuffer {
    if (!this.#writable) {
      throw new TypeError(
        'MappedRegion has no views with access "read", where a write would end the process: call ' +
          "copyOut, or map with { shared: false } for views whose writes stay private",
      );
    }
    try {
      return backend.arrayBufferAt(address, this.#length);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new RangeError(
        `MappedRegion.buffer: ${backend.runtime} has no buffer of ${this.#length} bytes: map parts ` +
          "of the file, or call copyIn and copyOut",
        { cause },
      );
    }
  }

  /**
   * Takes the memory from every view. Neither runtime copies it for that, unless the buffer is held
   * for an operation under way (Bun pins it): then the views stay, and so must the memory.
   */
  #detach(): boolean {
    if (this.#buffer === null) return true;
    try {
      this.#buffer.transfer();
    } catch {
      // Held, and too large for the copy that transfer() makes then.
    }
    if (!this.#buffer.detached) return false;
    this.#buffer = null; // Detached by us: what follows may fail and be tried again.
    return true;
  }

  /** Copies from one place of the region to another, which may overlap. */
  #move(address: bigint, from: number, to: number, length: number): void {
    if (this.#steady) {
      this.bytes.copyWithin(to, from, from + length);
      return;
    }
    const between = new Uint8Array(new ArrayBuffer(length));
    const copy = this.#copy ??= new KernelCopy();
    copy.out(between, address + BigInt(from));
    copy.in(between, address + BigInt(to));
  }

  /** Where in the region a buffer's bytes lie. */
  #place(view: Uint8Array, offset: unknown, verb: string): bigint {
    const most = this.#length - view.length;
    if (most < 0) {
      throw new RangeError(
        `MappedRegion.${verb}: ${view.length} bytes must fit into the region of ${this.#length}`,
      );
    }
    return BigInt(integer(offset, `MappedRegion.${verb}: the offset`, 0, most));
  }
}
