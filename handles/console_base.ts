/**
 * What can be done with any terminal, whoever opened it.
 *
 * Kernel: every POSIX system.
 *
 * @module
 */

import { tty } from "../ffi/const_tty.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import type { Cell } from "./cell.ts";
import { ConsoleState } from "./console_state.ts";
import { acquire, Descriptor, release } from "./descriptor.ts";
import { setNonblock } from "./descriptor_flags.ts";
import type { ReadWriter } from "./interfaces.ts";
import { readInto, writeFrom } from "./io.ts";
import { slavePath, terminalPath } from "./pty.ts";
import {
  checkSize,
  type ConsoleSize,
  type ConsoleSizeOptions,
  setSize,
  sizeOf,
  Termios,
} from "./termios.ts";
import { flag, memory } from "./validate.ts";

const EIO = errnoNumber("EIO");

/** The settings that a console puts back. `mod.ts` does not export it. */
export let stateOf: (console: ConsoleBase) => ConsoleState;

/**
 * The part of {@link Console} that reads, writes, sizes and sets: everything but how it is opened.
 *
 * @example
 * ```ts
 * import { Console, ConsoleBase } from "@fdloop/fdloop";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using pty = Console.openPty();
 * assert(pty.slave instanceof ConsoleBase);
 * pty.slave.setRaw();
 * pty.slave.write(new Uint8Array([10])); // a line feed stays one
 * assertEquals(pty.master.read(new Uint8Array(8)), 1);
 * ```
 */
export abstract class ConsoleBase extends Descriptor implements ReadWriter {
  readonly #master: boolean;
  readonly #state: ConsoleState;

  /** Consoles come from the factories of `Console`. */
  protected constructor(
    key: symbol,
    owned: number | Cell,
    master: boolean,
    state: ConsoleState | null,
  ) {
    super(key, owned);
    this.#master = master;
    this.#state = state ?? ConsoleState.of(this);
  }

  static {
    stateOf = (console) => console.#state;
  }

  /** Whether it is the master of a pty, and not a terminal. */
  get master(): boolean {
    return this.#master;
  }

  /**
   * The name of the terminal, such as `/dev/pts/3`; of a master, that of its slave. Null where it has
   * none, as it may in a container.
   *
   * @throws {ClosedError} when the handle is closed
   */
  get path(): string | null {
    const fd = acquire(this);
    try {
      return this.#master ? slavePath(fd) : terminalPath(fd);
    } finally {
      release(this);
    }
  }

  /**
   * Reads into a buffer: `read(2)`. Answers the number of bytes, and null when there are none yet.
   *
   * Of a master it answers 0 when nothing is left and no program has the slave open, which Linux calls
   * EIO: one may open it again, and later reads then give bytes. Of a terminal, 0 is what ^D at the
   * beginning of a line makes, or that the terminal was hung up.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EIO, when a program in the background may not read from its terminal
   */
  read(buffer: ArrayBufferView): number | null {
    const view = memory(buffer, "Console.read: the buffer");
    if (!this.#master) return readInto(this, view);
    try {
      return readInto(this, view);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === EIO) return 0;
      throw error;
    }
  }

  /**
   * Writes a buffer: `write(2)`. Answers how many of its bytes were taken, which can be fewer than it
   * has, and null when there is no room.
   *
   * A terminal that reads lines takes 4095 bytes of one, and drops what comes before its end beyond that.
   *
   * @throws {TypeError} when the buffer is no typed array or DataView
   * @throws {ClosedError} when the handle is closed
   * @throws {SyscallError} EIO, when the terminal was hung up
   */
  write(buffer: ArrayBufferView): number | null {
    return writeFrom(this, memory(buffer, "Console.write: the buffer"));
  }

  /**
   * The size that the terminal's programs draw for: `ioctl(TIOCGWINSZ)`. All is 0 where nobody has said.
   *
   * @throws {ClosedError} when the handle is closed
   */
  size(): ConsoleSize {
    return sizeOf(this);
  }

  /**
   * Sets the size: `ioctl(TIOCSWINSZ)`, from either side. The programs in the foreground are sent
   * SIGWINCH, if it changes anything.
   *
   * @throws {TypeError} when the size is not what it should be
   * @throws {RangeError} when a number does not fit in 16 bits
   * @throws {ClosedError} when the handle is closed
   *
   * @example
   * ```ts
   * import { Console } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using pty = Console.openPty();
   * pty.master.resize({ columns: 132, rows: 43 });
   * assertEquals(pty.slave.size().columns, 132);
   * ```
   */
  resize(size: ConsoleSizeOptions): void {
    setSize(this, checkSize(size, "Console.resize"));
  }

  /**
   * Takes over the size of another terminal, pixels and all.
   *
   * @throws {TypeError} when it is no `Console`
   * @throws {ClosedError} when one of them is closed
   */
  resizeFrom(other: ConsoleBase): void {
    if (!(other instanceof ConsoleBase)) {
      throw new TypeError("Console.resizeFrom: the other must be a Console");
    }
    setSize(this, sizeOf(other));
  }

  /**
   * Lets every byte pass as it is and at once, without lines, echo, ^C or changed line ends:
   * `cfmakeraw(3)`.
   *
   * @throws {ClosedError} when the handle is closed
   */
  setRaw(): void {
    this.#change((termios) => termios.makeRaw());
  }

  /**
   * Does not show what is typed, as for a password: clears `ECHO`.
   *
   * @throws {ClosedError} when the handle is closed
   */
  disableEcho(): void {
    this.#change((termios) => termios.setLocal(tty.ECHO, false));
  }

  /**
   * Sets whether a line feed that a program writes becomes a carriage return and a line feed: `ONLCR`,
   * which is on at first. Whoever records what a program has written turns it off.
   *
   * @throws {TypeError} when `on` is no boolean
   * @throws {ClosedError} when the handle is closed
   */
  setOnlcr(on: boolean): void {
    flag(on, "Console.setOnlcr: on");
    this.#change((termios) => termios.setOutput(tty.ONLCR, on));
  }

  /**
   * Puts back the settings that the terminal had when this handle was made, whoever has changed them.
   * `close` does it by itself for what this handle has changed.
   *
   * @throws {ClosedError} when the handle is closed
   *
   * @example
   * ```ts
   * import { Console } from "@fdloop/fdloop";
   *
   * using pty = Console.openPty();
   * pty.slave.disableEcho();
   * // ask for the password
   * pty.slave.reset();
   * ```
   */
  reset(): void {
    this.#state.reset(this);
  }

  /**
   * Sets or clears `O_NONBLOCK`: `fcntl(F_SETFL)`. It belongs to the open file, so every duplicate, here
   * or in another process, changes with it.
   *
   * @throws {TypeError} when `on` is no boolean
   * @throws {ClosedError} when the handle is closed
   */
  setNonblock(on: boolean): void {
    setNonblock(this, flag(on, "Console.setNonblock: on"));
  }

  /** Puts the settings back, while there is still a number to do it by. */
  protected override closing(number: number): void {
    this.#state.closing(number);
  }

  #change(change: (termios: Termios) => void): void {
    const termios = Termios.of(this);
    change(termios);
    this.#state.willChange(this);
    termios.apply(this);
  }
}
