/**
 * A terminal, or either side of a pseudoterminal.
 *
 * Kernel: every POSIX system; `Console.spawn` is Linux 5.10, for the pidfd.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { check, libc } from "../ffi/libc.ts";
import { supports } from "../ffi/supports.ts";
import { UnsupportedError } from "../ffi/unsupported.ts";
import type { Cell } from "./cell.ts";
import { ConsoleBase, stateOf } from "./console_base.ts";
import { ConsoleChild } from "./console_child.ts";
import { ConsoleState } from "./console_state.ts";
import { checkOrder, type ConsoleSpawnOptions, spawnOn } from "./console_spawn.ts";
import { OWNED, sharedCell, type SharedDescriptor } from "./descriptor.ts";
import { setNonblock } from "./descriptor_flags.ts";
import { openCurrent, openMaster, openSlave, slavePath } from "./pty.ts";
import { checkSize, type ConsoleSizeOptions, setSize } from "./termios.ts";
import { descriptorNumber, flag, options as checkOptions } from "./validate.ts";

/** What both sides of a pty are made with. */
export interface OpenPtyOptions extends Partial<ConsoleSizeOptions> {
  /** Whether calls that would have to wait block the thread instead of answering null. Default: false. */
  blocking?: boolean;
}

/** Both sides of a pty, closed together by `using`. */
export interface ConsolePair extends Disposable {
  /** The side of whoever shows the screen and sends the keys. */
  readonly master: Console;
  /** The side that is a terminal to the programs that have it. */
  readonly slave: Console;
}

/** A {@linkcode Console} in a form that `postMessage` can carry. */
export interface SharedConsole extends SharedDescriptor {
  /** What {@linkcode Console.master} is there as here. */
  readonly master: boolean;
  /** The settings that {@linkcode Console.reset} puts back. */
  readonly state: SharedArrayBuffer;
}

/**
 * A terminal: `tcsetattr(3)`, `ioctl(TIOCGWINSZ)`, `read(2)` and `write(2)`. It is the one that this
 * program runs on, or either side of a pseudoterminal, whose master plays the part of the screen and of
 * the keyboard.
 *
 * The settings that the terminal has when the handle is made are remembered. When the handle changes
 * them (`setRaw`, `disableEcho`, `setOnlcr`), they are put back by `reset`, by `close`, and when the
 * program exits or an error ends it; not when a signal kills it, for which there is `SignalFD`. Other
 * handles and other programs see every change, since settings belong to the terminal. Of two handles
 * that change them close the later one first: it remembers what the other had made of them.
 *
 * A worker that is terminated puts nothing back, nor does one that lives when the main thread ends the
 * program, or that Deno ends by `self.close()`: make the handle on the main thread and
 * {@link Console.share} it, and that thread does.
 *
 * Once a terminal was hung up, because its master is gone, all that asks or changes something of it
 * throws a SyscallError, EIO; `read` answers 0.
 *
 * Platforms: Linux, macOS, FreeBSD. See pty(7), termios(3), ioctl_tty(2).
 *
 * @example
 * ```ts
 * import { Console } from "@fdloop/fdloop";
 * import { assertEquals } from "@std/assert";
 *
 * using pty = Console.openPty({ columns: 80, rows: 24 });
 * pty.slave.write(new TextEncoder().encode("hello\n"));
 * const screen = new Uint8Array(64);
 * const length = pty.master.read(screen)!;
 * assertEquals(new TextDecoder().decode(screen.subarray(0, length)), "hello\r\n");
 * ```
 */
export class Console extends ConsoleBase {
  private constructor(
    key: symbol,
    owned: number | Cell,
    master: boolean,
    state: ConsoleState | null,
  ) {
    super(key, owned, master, state);
  }

  /** The name of the class. */
  get [Symbol.toStringTag](): string {
    return "Console";
  }

  /**
   * Opens the terminal that this program runs on: that of stderr, stdout or stdin, whichever is one,
   * and else `/dev/tty`, the controlling one.
   *
   * It is opened anew by its name, so that `O_NONBLOCK`, which the standard streams share with the shell
   * and all its programs, is set here alone. Where that is forbidden, after `su` for instance, it is a
   * duplicate that blocks.
   *
   * @throws {SyscallError} ENXIO, when the program has no terminal at all; EMFILE or ENFILE, when there
   *   is no descriptor left
   *
   * @example
   * ```ts
   * import { Console, SyscallError } from "@fdloop/fdloop";
   * import { assert } from "@std/assert";
   *
   * try {
   *   using console = Console.current();
   *   assert(console.size().columns >= 0);
   * } catch (error) {
   *   assert(error instanceof SyscallError); // this program runs without a terminal
   * }
   * ```
   */
  static current(): Console {
    return Console.#own(openCurrent(), false);
  }

  /**
   * Makes a handle of its own for a terminal that somebody else has open: `fcntl(F_DUPFD_CLOEXEC)`. The
   * descriptor given is left as it is, and its owner closes it; so may be that of a standard stream.
   *
   * The two share the open file and its `O_NONBLOCK`, which {@link Console.setNonblock} changes for both.
   *
   * @param fd the number of an open descriptor; 0 is one
   * @throws {TypeError} when it is no number
   * @throws {RangeError} when no descriptor can have it
   * @throws {SyscallError} EBADF, when no descriptor has it; ENOTTY, when it is no terminal; EMFILE, when
   *   there is no descriptor left
   *
   * @example
   * ```ts
   * import { Console, pipe, SyscallError } from "@fdloop/fdloop";
   * import { assertThrows } from "@std/assert";
   *
   * using pty = Console.openPty();
   * using again = Console.fromFd(pty.slave.raw);
   * again.setRaw();
   * using ends = pipe();
   * assertThrows(() => Console.fromFd(ends.reader.raw), SyscallError, "ENOTTY");
   * ```
   */
  static fromFd(fd: number): Console {
    const number = descriptorNumber(fd, "Console.fromFd: the number") | 0;
    const copy = check("fcntl", libc.fcntl(number, posix.F_DUPFD_CLOEXEC, 0), number);
    return Console.#own(copy, null);
  }

  /**
   * Opens both sides of a new pseudoterminal: `posix_openpt(3)` and, for the slave, `ioctl(TIOCGPTPEER)`.
   * Both are closed on exec, and non-blocking unless asked otherwise; none becomes the controlling
   * terminal of this program.
   *
   * A slave that is given to a child as its stdin should block (`blocking`, or `setNonblock(false)`):
   * few programs expect would-block there. {@link Console.spawn} has it right by itself.
   *
   * @throws {TypeError} when an option is not what it should be
   * @throws {RangeError} when a size does not fit in 16 bits
   * @throws {SyscallError} ENOSPC, when there are as many ptys as the system allows; EMFILE or ENFILE,
   *   when there is no descriptor left
   *
   * @example
   * ```ts
   * import { Console } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * using pty = Console.openPty({ columns: 100, rows: 30 });
   * assertEquals(pty.slave.size(), { columns: 100, rows: 30, widthPixels: 0, heightPixels: 0 });
   * assertEquals(pty.master.path, pty.slave.path);
   * ```
   */
  static openPty(options: OpenPtyOptions = {}): ConsolePair {
    const what = "Console.openPty";
    const { blocking = false } = checkOptions(options, `${what}: options`);
    flag(blocking, `${what}: blocking`);
    const size = checkSize({ columns: 0, rows: 0, ...options }, what);
    const master = Console.#own(openMaster(), null);
    let slave: Console | null = null;
    try {
      slave = Console.#own(openSlave(master.raw), false);
      if (!blocking) { for (const side of [master, slave]) setNonblock(side, true); }
      setSize(master, size);
    } catch (error) {
      slave?.close();
      master.close();
      throw error;
    }
    return { master, slave, [Symbol.dispose]: () => closeBoth(master, slave) };
  }

  /**
   * Starts a program with a new pty as its controlling terminal and its stdin, stdout and stderr:
   * `posix_spawn(3)` with `POSIX_SPAWN_SETSID`. The master and the process are answered together.
   *
   * The program is the first of a session of its own. It blocks no signal, ignores none, and has no other
   * descriptor of this program (with musl: none that is closed on exec). It is found in the `PATH` that
   * it will have, unless its name has a slash in it.
   *
   * Nobody but the answered handle reaps the process: see {@linkcode ConsoleChild}.
   *
   * @param argv the program and its arguments
   * @throws {TypeError} when an argument is not what it should be, or has a zero byte in it
   * @throws {RangeError} when a size does not fit in 16 bits
   * @throws {SyscallError} ENOENT, EACCES, ENOEXEC, E2BIG, when the program cannot be run or the
   *   directory not be entered; ENOSPC, EMFILE, EAGAIN and the like, when something has run out
   * @throws {UnsupportedError} on a system other than Linux, or before 5.10
   *
   * @example
   * ```ts
   * import { Console } from "@fdloop/fdloop";
   * import { assertEquals } from "@std/assert";
   *
   * await using child = Console.spawn(["sh", "-c", "stty size; exit 3"], { columns: 80, rows: 24 });
   * assertEquals((await child.process.exited()).code, 3);
   * const screen = new Uint8Array(64);
   * const length = child.console.read(screen)!;
   * assertEquals(new TextDecoder().decode(screen.subarray(0, length)), "24 80\r\n");
   * ```
   */
  static spawn(argv: readonly string[], options: ConsoleSpawnOptions = {}): ConsoleChild {
    const order = checkOrder(argv, options, "Console.spawn");
    const size = checkSize({ columns: 0, rows: 0, ...options }, "Console.spawn");
    if (!supports("PIDFD_NONBLOCK")) throw new UnsupportedError("Console.spawn", "Linux 5.10");
    const { master, slave } = Console.openPty(size);
    try {
      return new ConsoleChild(OWNED, master, spawnOn(slave.path!, order));
    } catch (error) {
      master.close();
      throw error;
    } finally {
      slave.close();
    }
  }

  /**
   * Makes a handle of what {@link Console.share} returned on another thread.
   *
   * @throws {TypeError} when it is not the shared form of a `Console`
   */
  static from(shared: SharedConsole): Console {
    const cell = sharedCell(shared, "Console");
    const { master, state } = shared;
    if (!ConsoleState.isMemory(state)) {
      throw new TypeError(
        "Console.from takes what Console.share() returned, and its state is missing",
      );
    }
    return new Console(OWNED, cell, flag(master, "Console.from: master"), new ConsoleState(state));
  }

  /**
   * Puts the handle into a form that `postMessage` carries to a worker, for {@link Console.from} there:
   * {@link Descriptor.share}.
   *
   * @throws {ClosedError} when the handle is closed
   */
  override share(): SharedConsole {
    const shared = super.share();
    stateOf(this).willBeShared(this);
    return { ...shared, master: this.master, state: stateOf(this).memory };
  }

  /** Owns a number that was just opened; what is no terminal after all is closed again. */
  static #own(number: number, master: boolean | null): Console {
    try {
      return new Console(OWNED, number, master ?? slavePath(number) !== null, null);
    } catch (error) {
      libc.close(number);
      throw error;
    }
  }
}

function closeBoth(master: Console, slave: Console): void {
  slave.close();
  master.close();
}
