/**
 * The error numbers of errno(3): their names, and what they mean in words.
 *
 * Read from: `errno.h` of glibc 2.36, Linux 6.1 and 7.2; `sys/errno.h` of xnu-11417 (macOS 15.4) and
 * of the SDK after it, which adds ENOTCAPABLE; `sys/errno.h` of FreeBSD 13.1 and 15. The words are
 * glibc's strerror(3), with a small first letter, and where Linux has no such error, those of the
 * header that has it.
 *
 * @module
 */

import { type Cell, column, COLUMNS } from "./columns.ts";
import { arch, os } from "./platform.ts";

/**
 * The number of each error in the columns of {@link COLUMNS}, then its words. Where two names have
 * one number, the first of them is the one that {@link errnoName} answers.
 */
export const ERRNO_TABLE = {
  EPERM: [1, 1, 1, 1, "operation not permitted"],
  ENOENT: [2, 2, 2, 2, "no such file or directory"],
  ESRCH: [3, 3, 3, 3, "no such process"],
  EINTR: [4, 4, 4, 4, "interrupted system call"],
  EIO: [5, 5, 5, 5, "input/output error"],
  ENXIO: [6, 6, 6, 6, "no such device or address"],
  E2BIG: [7, 7, 7, 7, "argument list too long"],
  ENOEXEC: [8, 8, 8, 8, "exec format error"],
  EBADF: [9, 9, 9, 9, "bad file descriptor"],
  ECHILD: [10, 10, 10, 10, "no child processes"],
  EAGAIN: [11, 11, 35, 35, "resource temporarily unavailable"],
  EWOULDBLOCK: [11, 11, 35, 35, "resource temporarily unavailable"],
  ENOMEM: [12, 12, 12, 12, "cannot allocate memory"],
  EACCES: [13, 13, 13, 13, "permission denied"],
  EFAULT: [14, 14, 14, 14, "bad address"],
  ENOTBLK: [15, 15, 15, 15, "block device required"],
  EBUSY: [16, 16, 16, 16, "device or resource busy"],
  EEXIST: [17, 17, 17, 17, "file exists"],
  EXDEV: [18, 18, 18, 18, "invalid cross-device link"],
  ENODEV: [19, 19, 19, 19, "no such device"],
  ENOTDIR: [20, 20, 20, 20, "not a directory"],
  EISDIR: [21, 21, 21, 21, "is a directory"],
  EINVAL: [22, 22, 22, 22, "invalid argument"],
  ENFILE: [23, 23, 23, 23, "too many open files in system"],
  EMFILE: [24, 24, 24, 24, "too many open files"],
  ENOTTY: [25, 25, 25, 25, "inappropriate ioctl for device"],
  ETXTBSY: [26, 26, 26, 26, "text file busy"],
  EFBIG: [27, 27, 27, 27, "file too large"],
  ENOSPC: [28, 28, 28, 28, "no space left on device"],
  ESPIPE: [29, 29, 29, 29, "illegal seek"],
  EROFS: [30, 30, 30, 30, "read-only file system"],
  EMLINK: [31, 31, 31, 31, "too many links"],
  EPIPE: [32, 32, 32, 32, "broken pipe"],
  EDOM: [33, 33, 33, 33, "numerical argument out of domain"],
  ERANGE: [34, 34, 34, 34, "numerical result out of range"],
  EDEADLK: [35, 35, 11, 11, "resource deadlock avoided"],
  EDEADLOCK: [35, 35, null, null, "resource deadlock avoided"],
  ENAMETOOLONG: [36, 36, 63, 63, "file name too long"],
  ENOLCK: [37, 37, 77, 77, "no locks available"],
  ENOSYS: [38, 38, 78, 78, "function not implemented"],
  ENOTEMPTY: [39, 39, 66, 66, "directory not empty"],
  ELOOP: [40, 40, 62, 62, "too many levels of symbolic links"],
  ENOMSG: [42, 42, 91, 83, "no message of desired type"],
  EIDRM: [43, 43, 90, 82, "identifier removed"],
  ECHRNG: [44, 44, null, null, "channel number out of range"],
  EL2NSYNC: [45, 45, null, null, "level 2 not synchronized"],
  EL3HLT: [46, 46, null, null, "level 3 halted"],
  EL3RST: [47, 47, null, null, "level 3 reset"],
  ELNRNG: [48, 48, null, null, "link number out of range"],
  EUNATCH: [49, 49, null, null, "protocol driver not attached"],
  ENOCSI: [50, 50, null, null, "no CSI structure available"],
  EL2HLT: [51, 51, null, null, "level 2 halted"],
  EBADE: [52, 52, null, null, "invalid exchange"],
  EBADR: [53, 53, null, null, "invalid request descriptor"],
  EXFULL: [54, 54, null, null, "exchange full"],
  ENOANO: [55, 55, null, null, "no anode"],
  EBADRQC: [56, 56, null, null, "invalid request code"],
  EBADSLT: [57, 57, null, null, "invalid slot"],
  EBFONT: [59, 59, null, null, "bad font file format"],
  ENOSTR: [60, 60, 99, null, "device not a stream"],
  ENODATA: [61, 61, 96, null, "no data available"],
  ETIME: [62, 62, 101, null, "timer expired"],
  ENOSR: [63, 63, 98, null, "out of streams resources"],
  ENONET: [64, 64, null, null, "machine is not on the network"],
  ENOPKG: [65, 65, null, null, "package not installed"],
  EREMOTE: [66, 66, 71, 71, "object is remote"],
  ENOLINK: [67, 67, 97, 91, "link has been severed"],
  EADV: [68, 68, null, null, "advertise error"],
  ESRMNT: [69, 69, null, null, "srmount error"],
  ECOMM: [70, 70, null, null, "communication error on send"],
  EPROTO: [71, 71, 100, 92, "protocol error"],
  EMULTIHOP: [72, 72, 95, 90, "multihop attempted"],
  EDOTDOT: [73, 73, null, null, "RFS specific error"],
  EBADMSG: [74, 74, 94, 89, "bad message"],
  EOVERFLOW: [75, 75, 84, 84, "value too large for defined data type"],
  ENOTUNIQ: [76, 76, null, null, "name not unique on network"],
  EBADFD: [77, 77, null, null, "file descriptor in bad state"],
  EREMCHG: [78, 78, null, null, "remote address changed"],
  ELIBACC: [79, 79, null, null, "can not access a needed shared library"],
  ELIBBAD: [80, 80, null, null, "accessing a corrupted shared library"],
  ELIBSCN: [81, 81, null, null, ".lib section in a.out corrupted"],
  ELIBMAX: [82, 82, null, null, "attempting to link in too many shared libraries"],
  ELIBEXEC: [83, 83, null, null, "cannot exec a shared library directly"],
  EILSEQ: [84, 84, 92, 86, "invalid or incomplete multibyte or wide character"],
  ERESTART: [85, 85, null, null, "interrupted system call should be restarted"],
  ESTRPIPE: [86, 86, null, null, "streams pipe error"],
  EUSERS: [87, 87, 68, 68, "too many users"],
  ENOTSOCK: [88, 88, 38, 38, "socket operation on non-socket"],
  EDESTADDRREQ: [89, 89, 39, 39, "destination address required"],
  EMSGSIZE: [90, 90, 40, 40, "message too long"],
  EPROTOTYPE: [91, 91, 41, 41, "protocol wrong type for socket"],
  ENOPROTOOPT: [92, 92, 42, 42, "protocol not available"],
  EPROTONOSUPPORT: [93, 93, 43, 43, "protocol not supported"],
  ESOCKTNOSUPPORT: [94, 94, 44, 44, "socket type not supported"],
  EOPNOTSUPP: [95, 95, 102, 45, "operation not supported"],
  ENOTSUP: [95, 95, 45, 45, "operation not supported"],
  EPFNOSUPPORT: [96, 96, 46, 46, "protocol family not supported"],
  EAFNOSUPPORT: [97, 97, 47, 47, "address family not supported by protocol"],
  EADDRINUSE: [98, 98, 48, 48, "address already in use"],
  EADDRNOTAVAIL: [99, 99, 49, 49, "cannot assign requested address"],
  ENETDOWN: [100, 100, 50, 50, "network is down"],
  ENETUNREACH: [101, 101, 51, 51, "network is unreachable"],
  ENETRESET: [102, 102, 52, 52, "network dropped connection on reset"],
  ECONNABORTED: [103, 103, 53, 53, "software caused connection abort"],
  ECONNRESET: [104, 104, 54, 54, "connection reset by peer"],
  ENOBUFS: [105, 105, 55, 55, "no buffer space available"],
  EISCONN: [106, 106, 56, 56, "transport endpoint is already connected"],
  ENOTCONN: [107, 107, 57, 57, "transport endpoint is not connected"],
  ESHUTDOWN: [108, 108, 58, 58, "cannot send after transport endpoint shutdown"],
  ETOOMANYREFS: [109, 109, 59, 59, "too many references: cannot splice"],
  ETIMEDOUT: [110, 110, 60, 60, "connection timed out"],
  ECONNREFUSED: [111, 111, 61, 61, "connection refused"],
  EHOSTDOWN: [112, 112, 64, 64, "host is down"],
  EHOSTUNREACH: [113, 113, 65, 65, "no route to host"],
  EALREADY: [114, 114, 37, 37, "operation already in progress"],
  EINPROGRESS: [115, 115, 36, 36, "operation now in progress"],
  ESTALE: [116, 116, 70, 70, "stale file handle"],
  EUCLEAN: [117, 117, null, null, "structure needs cleaning"],
  ENOTNAM: [118, 118, null, null, "not a XENIX named type file"],
  ENAVAIL: [119, 119, null, null, "no XENIX semaphores available"],
  EISNAM: [120, 120, null, null, "is a named type file"],
  EREMOTEIO: [121, 121, null, null, "remote I/O error"],
  EDQUOT: [122, 122, 69, 69, "disk quota exceeded"],
  ENOMEDIUM: [123, 123, null, null, "no medium found"],
  EMEDIUMTYPE: [124, 124, null, null, "wrong medium type"],
  ECANCELED: [125, 125, 89, 85, "operation canceled"],
  ENOKEY: [126, 126, null, null, "required key not available"],
  EKEYEXPIRED: [127, 127, null, null, "key has expired"],
  EKEYREVOKED: [128, 128, null, null, "key has been revoked"],
  EKEYREJECTED: [129, 129, null, null, "key was rejected by service"],
  EOWNERDEAD: [130, 130, 105, 96, "owner died"],
  ENOTRECOVERABLE: [131, 131, 104, 95, "state not recoverable"],
  ERFKILL: [132, 132, null, null, "operation not possible due to RF-kill"],
  EHWPOISON: [133, 133, null, null, "memory page has hardware error"],
  EFTYPE: [134, 134, 79, 79, "inappropriate file type or format"],
  EPROCLIM: [null, null, 67, 67, "too many processes"],
  EBADRPC: [null, null, 72, 72, "RPC struct is bad"],
  ERPCMISMATCH: [null, null, 73, 73, "RPC version wrong"],
  EPROGUNAVAIL: [null, null, 74, 74, "RPC program not available"],
  EPROGMISMATCH: [null, null, 75, 75, "program version wrong"],
  EPROCUNAVAIL: [null, null, 76, 76, "bad procedure for program"],
  EAUTH: [null, null, 80, 80, "authentication error"],
  ENEEDAUTH: [null, null, 81, 81, "need authenticator"],
  EPWROFF: [null, null, 82, null, "device power is off"],
  EDEVERR: [null, null, 83, null, "device error, e.g. paper out"],
  EBADEXEC: [null, null, 85, null, "bad executable"],
  EBADARCH: [null, null, 86, null, "bad CPU type in executable"],
  ESHLIBVERS: [null, null, 87, null, "shared library version mismatch"],
  EDOOFUS: [null, null, null, 88, "programming error"],
  EBADMACHO: [null, null, 88, null, "malformed Mach-O file"],
  ENOTCAPABLE: [null, null, 107, 93, "capabilities insufficient"],
  ENOATTR: [null, null, 93, 87, "attribute not found"],
  ECAPMODE: [null, null, null, 94, "not permitted in capability mode"],
  EINTEGRITY: [null, null, null, 97, "integrity check failed"],
  ENOPOLICY: [null, null, 103, null, "no such policy registered"],
  EQFULL: [null, null, 106, null, "interface output queue is full"],
} as const;

/** An error by the name that C gives it. */
export type ErrnoName = keyof typeof ERRNO_TABLE;

const here = COLUMNS.findIndex((name) => name === column(os, arch));
const names = canonicalNames();

/** The number of an error on this system, NaN when it has none of this name. */
export function errnoNumber(name: ErrnoName): number {
  const cell: Cell | string | undefined = ERRNO_TABLE[name][here];
  return typeof cell === "number" ? cell : NaN;
}

/** The name of a number: `"EAGAIN"`, or `"errno 1234"` for one that this system does not define. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/** A number in words: `"resource temporarily unavailable"`, or `"unknown error 1234"`. */
export function errnoText(errno: number): string {
  const name = names.get(errno);
  return name === undefined ? `unknown error ${errno}` : ERRNO_TABLE[name][COLUMNS.length];
}

function canonicalNames(): ReadonlyMap<number, ErrnoName> {
  const found = new Map<number, ErrnoName>();
  for (const name of Object.keys(ERRNO_TABLE) as ErrnoName[]) {
    const errno = errnoNumber(name);
    if (!Number.isNaN(errno) && !found.has(errno)) found.set(errno, name);
  }
  return found;
}
