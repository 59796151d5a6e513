/**
 * mmap(2) of a file, with everything that is to be true before it.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { libc, MAP_FAILED } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { Descriptor } from "./descriptor.ts";
import { fileOffset, type FileStatus, fileStatus } from "./file_io.ts";
import { control } from "./io.ts";
import { pageSize, roundUp } from "./own_mappings.ts";
import { withRemedy } from "./remedy.ts";
import { isSealed } from "./seals.ts";
import { flag, integer, oneOf, options as checkOptions, shown } from "./validate.ts";

/** What a {@linkcode MappedRegion} is made with. */
export interface MapOptions {
  /** Where in the file it begins: a multiple of the page size. Default: 0. */
  offset?: number | bigint;
  /** How many bytes it has, at least 1 and at most to the end of the file. Default: to the end. */
  length?: number;
  /**
   * What can be done with it. `"read"` needs no more than a descriptor that is open for reading, and
   * has no views, because a write to one would end the process. Default: `"write"`, and reading.
   */
  access?: "read" | "write";
  /**
   * Whether what is written reaches the file and everybody who maps it. False is copy-on-write: it
   * stays in this region; a page that was not written to still follows the file. Default: true.
   */
  shared?: boolean;
  /**
   * Whether to refuse a file without the seal `"shrink"`, so that nobody can pull the memory away
   * and end this process by SIGBUS. Default: false.
   */
  requireSeal?: boolean;
}

/** A mapping, on its way to its owner. */
export interface Mapping {
  readonly address: bigint;
  /** The bytes that the caller has asked for. */
  readonly length: number;
  /** The whole pages around them, as the kernel gave them and takes them back. */
  readonly span: bigint;
  readonly writable: boolean;
  /** Whether nobody can make the file shorter, or this system has no safer copy than memcpy(3). */
  readonly steady: boolean;
}

/** Maps a part of a file: what {@linkcode MappedRegion.map} says. */
export function mapFile(file: Descriptor, options: MapOptions, what: string): Mapping {
  if (!(file instanceof Descriptor)) {
    throw new TypeError(`${what}: the file must be a handle, got ${shown(file)}`);
  }
  const { offset = 0, length, access = "write", shared = true, requireSeal = false } = checkOptions(
    options,
    `${what}: options`,
  );
  const writable = oneOf(access, ["read", "write"], `${what}: access`) === "write";
  const protection = posix.PROT_READ | (writable ? posix.PROT_WRITE : 0);
  const flags = flag(shared, `${what}: shared`) ? posix.MAP_SHARED : posix.MAP_PRIVATE;
  const start = BigInt(fileOffset(offset, `${what}: offset`));
  const sealed = isSealed(file, "shrink");
  if (flag(requireSeal, `${what}: requireSeal`) && !sealed) {
    throw new TypeError(
      `${what}: requireSeal needs a MemFD with the seal "shrink": call seal("shrink") first`,
    );
  }
  // With the seal, what lies before the end of the file now always will.
  const part = partOf(fileStatus(file), start, length, what);
  const address = mapPart(file, part.span, protection, flags, start);
  return { address, ...part, writable, steady: sealed || os !== "linux" };
}

/** How much is mapped: the caller's bytes, and the whole pages that the kernel deals in. */
function partOf(
  { size, mode, blockSize }: FileStatus,
  start: bigint,
  length: unknown,
  what: string,
): { length: number; span: bigint } {
  if ((mode & posix.S_IFMT) !== posix.S_IFREG) {
    throw new TypeError(`${what}: the file must be a regular file or memory`);
  }
  const page = pageSize();
  if (start % BigInt(page) !== 0n) {
    throw new RangeError(
      `${what}: offset must be a multiple of the page size ${page}, got ${start}`,
    );
  }
  if (start >= size) {
    throw new RangeError(
      `${what}: offset must lie before the end of the file, which has ${size} bytes, got ${start}`,
    );
  }
  const most = Number(size - start);
  const bytes = length === undefined ? most : integer(length, `${what}: length`, 1, most);
  if (!Number.isSafeInteger(bytes)) {
    throw new RangeError(`${what}: length must be given for a file of ${size} bytes`);
  }
  // Huge pages are mapped and unmapped whole. Where blocks are only a file system's preference, the
  // rest of one is mapped as well, and not beyond the end of the file.
  const whole = BigInt(blockSize);
  const inBlocks = blockSize > page && size % whole === 0n && start % whole === 0n;
  return { length: bytes, span: roundUp(BigInt(bytes), inBlocks ? blockSize : page) };
}

function mapPart(
  file: Descriptor,
  span: bigint,
  protection: number,
  flags: number,
  start: bigint,
): bigint {
  let address = MAP_FAILED;
  try {
    control("mmap", file, (fd) => {
      address = libc.mmap(0n, span, protection, flags, fd, start);
      return address === MAP_FAILED ? -1 : 0;
    });
  } catch (error) {
    throw withRemedy(error, {
      EACCES: 'The descriptor is open for less: pass { access: "read" }, or { shared: false } to ' +
        "write into a private copy",
      EPERM:
        'It is sealed against writing: pass { access: "read" }, which before Linux 6.13 needs ' +
        "{ shared: false } as well, or { shared: false } to write into a private copy",
      ENOMEM: "Huge pages come from /proc/sys/vm/nr_hugepages; other memory is short of address " +
        "space or of mappings (/proc/sys/vm/max_map_count)",
      EINVAL: "Where the memory consists of huge pages, offset must be a multiple of their size",
    });
  }
  return address;
}
