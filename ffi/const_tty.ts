/**
 * The constants and the layouts of terminals, and of what starts a program on one.
 *
 * Read from: glibc 2.36, musl 1.2.3 and Linux 6.1 for the two Linux columns; `termios.h`, `ttycom.h` and
 * `spawn.h` in `bsd/sys/` of xnu for Darwin, whose POSIX_SPAWN_SETSID came with macOS 10.15;
 * `sys/_termios.h`, `sys/ttycom.h` and `spawn.h` of FreeBSD.
 *
 * @module
 */

import { column, COLUMNS, type Constants, type Layouts, pick, pickLayouts } from "./columns.ts";
import { arch, os } from "./platform.ts";

/** Every column. Code uses {@link tty}; the table is for the test that proves it. */
export const TTY_TABLE = {
  // tcgetattr(3) and tcsetattr(3), <termios.h>
  TCSANOW: [0, 0, 0, 0],
  TCSADRAIN: [1, 1, 1, 1],
  TCSAFLUSH: [2, 2, 2, 2],
  OPOST: [1, 1, 1, 1],
  ONLCR: [4, 4, 2, 2],
  ECHO: [8, 8, 8, 8],
  ICANON: [2, 2, 0x100, 0x100],
  ISIG: [1, 1, 0x80, 0x80],

  // ioctl(2) of a terminal, <sys/ioctl.h>: TIOCGPTPEER since Linux 4.13
  TIOCGWINSZ: [0x5413, 0x5413, 0x40087468, 0x40087468],
  TIOCSWINSZ: [0x5414, 0x5414, 0x80087467, 0x80087467],
  TIOCGPTN: [0x80045430, 0x80045430, null, 0x4004740f],
  TIOCGPTPEER: [0x5441, 0x5441, null, null],

  // posix_spawn(3), <spawn.h>
  POSIX_SPAWN_SETSIGDEF: [4, 4, 4, 0x10],
  POSIX_SPAWN_SETSIGMASK: [8, 8, 8, 0x20],
  POSIX_SPAWN_SETSID: [0x80, 0x80, 0x400, null],

  // access(2), <unistd.h>
  X_OK: [1, 1, 1, 1],
} as const;

/** Every column. Code uses {@link ttyStructs}. */
export const TTY_STRUCTS = {
  // The C library's, which on Linux is not the kernel's. The flags are 64 bits on Darwin, which uses
  // the low 32.
  termios: {
    size: [60, 60, 72, 44],
    c_iflag: ["u32", 0, 0, 0, 0],
    c_oflag: ["u32", 4, 4, 8, 4],
    c_cflag: ["u32", 8, 8, 16, 8],
    c_lflag: ["u32", 12, 12, 24, 12],
    c_cc: ["mem", 17, 17, 32, 16],
  },
  winsize: {
    size: [8, 8, 8, 8],
    ws_row: ["u16", 0, 0, 0, 0],
    ws_col: ["u16", 2, 2, 2, 2],
    ws_xpixel: ["u16", 4, 4, 4, 4],
    ws_ypixel: ["u16", 6, 6, 6, 6],
  },
  // What the libraries keep in these is their own affair. On Darwin and FreeBSD both are pointers.
  posix_spawnattr_t: { size: [336, 336, 8, 8] },
  posix_spawn_file_actions_t: { size: [80, 80, 8, 8] },
} as const;

const here = column(os, arch);

/** The constants of this system: `tty.TIOCGWINSZ`. */
export const tty: Constants<typeof TTY_TABLE> = pick(TTY_TABLE, COLUMNS, here);

/** The structs of this system: `ttyStructs.termios.size`. */
export const ttyStructs: Layouts<typeof TTY_STRUCTS> = pickLayouts(TTY_STRUCTS, COLUMNS, here);
