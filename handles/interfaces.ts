/**
 * What handles have in common, for code that takes any of them.
 *
 * @module
 */

/** Something with a descriptor that a poller can watch. */
export interface PollFd {
  /** The descriptor's number, −1 once it is closed. */
  readonly raw: number;
}

/** Something with a descriptor that its user closes. */
export interface PollCloser extends PollFd, Disposable {
  /** Gives the descriptor back; doing it again does nothing. */
  close(): void;
}

/** Something that bytes are read from: the shape of {@linkcode FD.read}. */
export interface Reader {
  /** Fills a buffer: the number of bytes, 0 at the end, null when it would block. */
  read(buffer: ArrayBufferView): number | null;
}

/** Something that bytes are written to: the shape of {@linkcode FD.write}. */
export interface Writer {
  /** Takes bytes from a buffer: how many, null when it would block. */
  write(buffer: ArrayBufferView): number | null;
}

/** Something that bytes are read from and written to. */
export interface ReadWriter extends Reader, Writer {}

/** An owned descriptor. */
export interface Handle extends PollCloser {
  /** Whether it is open. */
  readonly valid: boolean;
  /** Whether it was closed. */
  readonly closed: boolean;
}

/** Something that one side kicks and the other waits for. */
export interface Signaler extends Handle {
  /** Adds to what is waited for: false when it is full. */
  signal(value?: number | bigint): boolean;
  /** Takes what was signalled, null when nothing was. */
  wait(): bigint | null;
}

/** Something that reports that time has passed. */
export interface Timer extends Handle {
  /** Starts it. */
  arm(initial: number | bigint, interval?: number | bigint): unknown;
  /** Stops it. */
  disarm(): unknown;
  /** How often it has expired since it was last asked, null when not at all. */
  expirations(): bigint | null;
}
