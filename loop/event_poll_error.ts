/**
 * What the kernel would refuse, where there is no kernel.
 *
 * @module
 */

/** The error numbers of Linux: these errors are the same on every system. */
const ERRORS: Readonly<Record<EventPollErrorCode, readonly [number, string]>> = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  EBADF: [9, "bad file descriptor"],
  EEXIST: [17, "file exists"],
  EINVAL: [22, "invalid argument"],
  EPIPE: [32, "broken pipe"],
  ELOOP: [40, "too many levels of symbolic links"],
  ECONNRESET: [104, "connection reset by peer"],
};

/** The errors that sources in memory and the polls over them know. */
export type EventPollErrorCode =
  | "EPERM"
  | "ENOENT"
  | "EBADF"
  | "EEXIST"
  | "EINVAL"
  | "EPIPE"
  | "ELOOP"
  | "ECONNRESET";

/**
 * A call on an `EventPoll`, or on a source in memory, that the kernel would have refused by this name.
 *
 * The fields are those of `SyscallError`, with Linux's numbers wherever it runs.
 *
 * @example
 * ```ts
 * import { EventMask, EventPoll, EventPollError, MemoryCounter } from "@fdloop/fdloop";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * using poll = new EventPoll();
 * using counter = MemoryCounter.create();
 * poll.addEntry({ file: counter }, 0, EventMask.IN, 1);
 * const again = () => poll.addEntry({ file: counter }, 0, EventMask.IN, 2);
 * const error = assertThrows(again, EventPollError);
 * assertEquals([error.code, error.errno, error.syscall], ["EEXIST", 17, "epoll_ctl"]);
 * ```
 */
export class EventPollError extends Error {
  /** Always `"EventPollError"`. */
  override readonly name: string = "EventPollError";
  /** The symbolic name of the error, such as `"EEXIST"`. */
  readonly code: EventPollErrorCode;
  /** Its number on Linux. */
  readonly errno: number;
  /** The call that the kernel would have refused, by its C name. */
  readonly syscall: string;

  /**
   * Describes one refused call.
   *
   * @param syscall the C name of the call
   * @param code the symbolic name of the error
   * @param remedy what the reader can do about it, as a sentence
   */
  constructor(syscall: string, code: EventPollErrorCode, remedy: string = "") {
    const [errno, text] = ERRORS[code] ?? [0, "unknown error"];
    super(`${syscall} in memory: ${code}, ${text}${remedy && `. ${remedy}`}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}
