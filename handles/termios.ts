/**
 * How a terminal treats what passes through it: `struct termios`, and its size: `struct winsize`.
 *
 * Kernel: every POSIX system.
 *
 * @module
 */

import { tty, ttyStructs } from "../ffi/const_tty.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { errno, libc } from "../ffi/libc.ts";
import type { Descriptor } from "./descriptor.ts";
import { control } from "./io.ts";
import { integer, options as checkOptions } from "./validate.ts";

const EINTR = errnoNumber("EINTR");

/** What `ws_row` and its three companions hold. */
const MOST = 0xffff;

const at = ttyStructs.termios;
const { ws_row, ws_col, ws_xpixel, ws_ypixel, size: winsizeBytes } = ttyStructs.winsize;

/** The size of a terminal as far as its programs are told, who then draw for it. */
export interface ConsoleSize {
  /** Characters in a line. */
  readonly columns: number;
  /** Lines. */
  readonly rows: number;
  /** Width in pixels, 0 where nobody said. */
  readonly widthPixels: number;
  /** Height in pixels, 0 where nobody said. */
  readonly heightPixels: number;
}

/** A new size for a terminal. Each number is from 0 to 65535. */
export interface ConsoleSizeOptions {
  /** Characters in a line. */
  columns: number;
  /** Lines. */
  rows: number;
  /** Width in pixels. Default: 0, unknown. */
  widthPixels?: number;
  /** Height in pixels. Default: 0, unknown. */
  heightPixels?: number;
}

/** A copy of a terminal's settings, to be changed and put back. */
export class Termios {
  /** The whole struct: what is equal here is equal to the kernel. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /**
   * Reads the settings: `tcgetattr(3)`. Those of the master of a pty are those of its slave.
   *
   * @throws {SyscallError} ENOTTY, when it is no terminal
   */
  static of(descriptor: Descriptor): Termios {
    const termios = new Termios(new Uint8Array(new ArrayBuffer(at.size)));
    untilUninterrupted("tcgetattr", descriptor, (fd) => libc.tcgetattr(fd, termios.bytes));
    return termios;
  }

  /** Settings that were kept as bytes. */
  static from(bytes: Uint8Array): Termios {
    return new Termios(new Uint8Array(bytes));
  }

  /** Writes the settings, at once: `tcsetattr(TCSANOW)`. */
  apply(descriptor: Descriptor): void {
    untilUninterrupted(
      "tcsetattr",
      descriptor,
      (fd) => libc.tcsetattr(fd, tty.TCSANOW, this.bytes),
    );
  }

  /** Lets every byte pass as it is, and by itself: `cfmakeraw(3)`. */
  makeRaw(): void {
    libc.cfmakeraw(this.bytes);
  }

  /** Turns a flag of the input and what is shown of it on or off. */
  setLocal(flag: number, on: boolean): void {
    this.#set(at.c_lflag, flag, on);
  }

  /** Turns a flag of the output on or off. */
  setOutput(flag: number, on: boolean): void {
    this.#set(at.c_oflag, flag, on);
  }

  #set(offset: number, flag: number, on: boolean): void {
    const flags = this.#view.getUint32(offset, true);
    this.#view.setUint32(offset, (on ? flags | flag : flags & ~flag) >>> 0, true);
  }
}

/**
 * Asks for the size: `ioctl(TIOCGWINSZ)`.
 *
 * @throws {SyscallError} ENOTTY, when it is no terminal
 */
export function sizeOf(descriptor: Descriptor): ConsoleSize {
  const view = new DataView(new ArrayBuffer(winsizeBytes));
  const bytes = new Uint8Array(view.buffer);
  untilUninterrupted("ioctl", descriptor, (fd) => libc.ioctl(fd, tty.TIOCGWINSZ, bytes));
  return {
    columns: view.getUint16(ws_col, true),
    rows: view.getUint16(ws_row, true),
    widthPixels: view.getUint16(ws_xpixel, true),
    heightPixels: view.getUint16(ws_ypixel, true),
  };
}

/** Sets the size: `ioctl(TIOCSWINSZ)`. The kernel sends SIGWINCH when that changes anything. */
export function setSize(descriptor: Descriptor, size: ConsoleSize): void {
  const view = new DataView(new ArrayBuffer(winsizeBytes));
  view.setUint16(ws_col, size.columns, true);
  view.setUint16(ws_row, size.rows, true);
  view.setUint16(ws_xpixel, size.widthPixels, true);
  view.setUint16(ws_ypixel, size.heightPixels, true);
  const bytes = new Uint8Array(view.buffer);
  untilUninterrupted("ioctl", descriptor, (fd) => libc.ioctl(fd, tty.TIOCSWINSZ, bytes));
}

/**
 * Checks a size that a program gives.
 *
 * @throws {TypeError} when it is no object of numbers
 * @throws {RangeError} when a number does not fit
 */
export function checkSize(size: ConsoleSizeOptions, what: string): ConsoleSize {
  const { columns, rows, widthPixels = 0, heightPixels = 0 } = checkOptions(size, what);
  return {
    columns: integer(columns, `${what}: columns`, 0, MOST),
    rows: integer(rows, `${what}: rows`, 0, MOST),
    widthPixels: integer(widthPixels, `${what}: widthPixels`, 0, MOST),
    heightPixels: integer(heightPixels, `${what}: heightPixels`, 0, MOST),
  };
}

/**
 * Makes a call that a signal can end, until none does: a process in the background that changes a
 * terminal is sent SIGTTOU, and may have a handler for it.
 */
function untilUninterrupted(
  syscall: string,
  descriptor: Descriptor,
  call: (fd: number) => number,
): void {
  control(syscall, descriptor, (fd) => {
    for (;;) {
      const result = call(fd);
      if (result !== -1 || errno() !== EINTR) return result;
    }
  });
}
