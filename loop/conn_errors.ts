/**
 * The errors of connections.
 *
 * @module
 */

/**
 * A write would have taken a connection's backlog over its cap: none of it was taken.
 *
 * @example
 * ```ts
 * import { Loop, QueueFullError, socketPair } from "@fdloop/fdloop";
 * import { assertThrows } from "@std/assert";
 *
 * using loop = Loop.create();
 * using pair = socketPair();
 * const conn = loop.registerConn(pair.left, { onRecv() {} }, { maxBacklog: 1000 });
 * assertThrows(() => conn.write(new Uint8Array(10_000_000)), QueueFullError);
 * ```
 */
export class QueueFullError extends Error {
  /** Always `"QueueFullError"`. */
  override readonly name: string = "QueueFullError";
  /** The bytes that wait already. */
  readonly pending: number;
  /** The cap. */
  readonly limit: number;

  /**
   * Describes a write that was refused.
   *
   * @param wanted the bytes that were to be written
   * @param pending the bytes that wait already
   * @param limit the cap
   */
  constructor(wanted: number, pending: number, limit: number) {
    super(
      `the connection's backlog is full: ${pending} bytes wait, ${wanted} more would pass its cap ` +
        `of ${limit}, so none was taken. Write on after onDrain, or raise maxBacklog`,
    );
    this.pending = pending;
    this.limit = limit;
  }
}

/**
 * A descriptor has no connection in the loop: it was never registered, or is not any more.
 *
 * @example
 * ```ts
 * import { Loop, UnknownFDError } from "@fdloop/fdloop";
 * import { assertThrows } from "@std/assert";
 *
 * using loop = Loop.create();
 * assertThrows(() => loop.write(0, new Uint8Array(1)), UnknownFDError, "fd 0");
 * ```
 */
export class UnknownFDError extends Error {
  /** Always `"UnknownFDError"`. */
  override readonly name: string = "UnknownFDError";
  /** The number that was asked for, −1 when its handle is closed. */
  readonly fd: number;

  /**
   * Names the descriptor.
   *
   * @param fd its number
   */
  constructor(fd: number) {
    super(`fd ${fd} has no connection in this loop: it was not registered, or is closed already`);
    this.fd = fd;
  }
}

/**
 * A file had fewer bytes than `sendfile` was to send of it.
 *
 * @example
 * ```ts
 * import { Loop, MemFD, ShortFileError, socketPair } from "@fdloop/fdloop";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * using loop = Loop.create();
 * using pair = socketPair();
 * using file = MemFD.create("page");
 * file.write(new Uint8Array(10));
 * const conn = loop.registerConn(pair.left, { onRecv() {} });
 * const error = await assertRejects(() => conn.sendfile(file, { length: 11 }), ShortFileError);
 * assertEquals([error.sent, error.expected, conn.closed], [0, 11, false]);
 * ```
 */
export class ShortFileError extends Error {
  /** Always `"ShortFileError"`. */
  override readonly name: string = "ShortFileError";
  /** How many of its bytes were sent: when it is more than 0, the connection is over. */
  readonly sent: number;
  /** How many were to be sent. */
  readonly expected: number;

  /**
   * Describes what is missing.
   *
   * @param sent the bytes that were sent
   * @param expected the bytes that were to be sent
   */
  constructor(sent: number, expected: number) {
    super(
      `the file ended ${expected - sent} bytes too early: ${sent} of ${expected} were sent. ` +
        "Somebody has made it shorter, or the length was asked for too long ago",
    );
    this.sent = sent;
    this.expected = expected;
  }
}

/** Which of a connection's limits has passed. */
export type TimeoutKind = "header" | "read" | "write" | "idle";

/**
 * One of a connection's limits has passed. It is the error that `onClose` is given.
 *
 * @example
 * ```ts
 * import { ConnTimeoutError, Loop, socketPair } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using pair = socketPair();
 * let closed: Error | null = null;
 * const onClose = (error: Error | null): void => void (closed = error);
 * loop.registerConn(pair.left, { onRecv() {}, onClose }, { timeouts: { idle: 10 } });
 * await loop.run();
 * const error: unknown = closed;
 * assert(error instanceof ConnTimeoutError);
 * assertEquals(error.kind, "idle");
 * ```
 */
export class ConnTimeoutError extends Error {
  /** Always `"ConnTimeoutError"`. */
  override readonly name: string = "ConnTimeoutError";
  /** Which limit it was. */
  readonly kind: TimeoutKind;
  /** The limit, in milliseconds. */
  readonly milliseconds: number;

  /**
   * Names the limit.
   *
   * @param kind which limit
   * @param milliseconds how long it was
   */
  constructor(kind: TimeoutKind, milliseconds: number) {
    super(`the connection's ${kind} limit of ${milliseconds} ms has passed`);
    this.kind = kind;
    this.milliseconds = milliseconds;
  }
}
