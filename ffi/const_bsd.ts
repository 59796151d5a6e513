/**
 * The constants of kqueue, which differ between its two systems more than their names say.
 *
 * Read from `bsd/sys/event.h` of xnu-11417 (macOS 15.4) and `sys/event.h` of FreeBSD 13.1, compared
 * with FreeBSD 15. libkqueue on Linux has FreeBSD's numbers for the filters.
 *
 * @module
 */

import { BSD_COLUMNS, column, type Constants, pick } from "./columns.ts";
import { arch, os } from "./platform.ts";

/** Both columns. Code uses {@link bsd}; the table is for the test that proves it. */
export const BSD_TABLE = {
  // kevent(2): filters
  EVFILT_READ: [-1, -1],
  EVFILT_WRITE: [-2, -2],
  EVFILT_AIO: [-3, -3],
  EVFILT_VNODE: [-4, -4],
  EVFILT_PROC: [-5, -5],
  EVFILT_SIGNAL: [-6, -6],
  EVFILT_TIMER: [-7, -7],
  EVFILT_MACHPORT: [-8, null],
  EVFILT_PROCDESC: [null, -8],
  EVFILT_FS: [-9, -9],
  EVFILT_LIO: [null, -10],
  EVFILT_USER: [-10, -11],
  EVFILT_VM: [-12, null],
  EVFILT_SENDFILE: [null, -12],
  EVFILT_EMPTY: [null, -13],
  EVFILT_EXCEPT: [-15, null],

  // kevent(2): actions and flags
  EV_ADD: [0x1, 0x1],
  EV_DELETE: [0x2, 0x2],
  EV_ENABLE: [0x4, 0x4],
  EV_DISABLE: [0x8, 0x8],
  EV_ONESHOT: [0x10, 0x10],
  EV_CLEAR: [0x20, 0x20],
  EV_RECEIPT: [0x40, 0x40],
  EV_DISPATCH: [0x80, 0x80],
  EV_UDATA_SPECIFIC: [0x100, null],
  EV_FORCEONESHOT: [null, 0x100],
  EV_DISPATCH2: [0x180, null],
  EV_VANISHED: [0x200, null],
  EV_POLL: [0x1000, null],
  EV_OOBAND: [0x2000, null],
  EV_ERROR: [0x4000, 0x4000],
  EV_EOF: [0x8000, 0x8000],

  // EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT
  NOTE_LOWAT: [0x1, 0x1],
  NOTE_OOB: [0x2, null],
  NOTE_FILE_POLL: [null, 0x2],

  // EVFILT_USER
  NOTE_FFNOP: [0, 0],
  NOTE_FFAND: [0x40000000, 0x40000000],
  NOTE_FFOR: [0x80000000, 0x80000000],
  NOTE_FFCOPY: [0xc0000000, 0xc0000000],
  NOTE_FFCTRLMASK: [0xc0000000, 0xc0000000],
  NOTE_FFLAGSMASK: [0xffffff, 0xffffff],
  NOTE_TRIGGER: [0x1000000, 0x1000000],

  // EVFILT_VNODE
  NOTE_DELETE: [0x1, 0x1],
  NOTE_WRITE: [0x2, 0x2],
  NOTE_EXTEND: [0x4, 0x4],
  NOTE_ATTRIB: [0x8, 0x8],
  NOTE_LINK: [0x10, 0x10],
  NOTE_RENAME: [0x20, 0x20],
  NOTE_REVOKE: [0x40, 0x40],
  NOTE_NONE: [0x80, null],
  NOTE_OPEN: [null, 0x80],
  NOTE_FUNLOCK: [0x100, null],
  NOTE_CLOSE: [null, 0x100],
  NOTE_LEASE_DOWNGRADE: [0x200, null],
  NOTE_CLOSE_WRITE: [null, 0x200],
  NOTE_LEASE_RELEASE: [0x400, null],
  NOTE_READ: [null, 0x400],

  // EVFILT_PROC: Darwin gives the wait(2) status only with NOTE_EXITSTATUS, FreeBSD always; Darwin
  // defines NOTE_TRACK, NOTE_TRACKERR and NOTE_CHILD and has not honoured them since 10.5
  NOTE_EXIT: [0x80000000, 0x80000000],
  NOTE_FORK: [0x40000000, 0x40000000],
  NOTE_EXEC: [0x20000000, 0x20000000],
  NOTE_SIGNAL: [0x8000000, null],
  NOTE_EXITSTATUS: [0x4000000, null],
  NOTE_EXIT_DETAIL: [0x2000000, null],
  NOTE_PDATAMASK: [0xfffff, 0xfffff],
  NOTE_TRACK: [0x1, 0x1],
  NOTE_TRACKERR: [0x2, 0x2],
  NOTE_CHILD: [0x4, 0x4],

  // EVFILT_TIMER: without a unit, milliseconds
  NOTE_SECONDS: [0x1, 0x1],
  NOTE_MSECONDS: [null, 0x2],
  NOTE_USECONDS: [0x2, 0x4],
  NOTE_NSECONDS: [0x4, 0x8],
  NOTE_ABSOLUTE: [0x8, null],
  NOTE_ABSTIME: [null, 0x10],
  NOTE_LEEWAY: [0x10, null],
  NOTE_CRITICAL: [0x20, null],
  NOTE_BACKGROUND: [0x40, null],
  NOTE_MACH_CONTINUOUS_TIME: [0x80, null],
  NOTE_MACHTIME: [0x100, null],

  // open(2): only to be notified of a file, without keeping its volume from being unmounted
  O_EVTONLY: [0x8000, null],
} as const;

/** The constants of this system: `bsd.EV_CLEAR`. */
export const bsd: Constants<typeof BSD_TABLE> = pick(BSD_TABLE, BSD_COLUMNS, column(os, arch));
