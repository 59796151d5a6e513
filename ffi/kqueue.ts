/**
 * The kqueue of this machine: its calls, its numbers and its struct, which differ between the systems
 * that have it.
 *
 * libkqueue, which emulates it on epoll, is a third system beside Darwin and FreeBSD: `kevent` is as
 * long as Darwin's, the filters have FreeBSD's numbers, and the notes of timers have Darwin's. Read
 * from its `sys/event.h`, version 2.6 and its main branch of July 2026.
 *
 * @module
 */

import { BSD_COLUMNS, type Constants, type Layouts, pick, pickLayouts } from "./columns.ts";
import { BSD_TABLE } from "./const_bsd.ts";
import { errno, kqueueLibrary, type Libc, libc } from "./libc.ts";
import { arch, os } from "./platform.ts";
import { BSD_STRUCTS } from "./structs.ts";
import { UnsupportedError } from "./unsupported.ts";

/** The systems that have a kqueue. */
export type KqueueName = "darwin" | "freebsd" | "libkqueue";

/** The constants of kqueue, NaN where a system does not have the name. */
export type KqueueConstants = Constants<typeof BSD_TABLE>;

/** Where the fields of `struct kevent` lie. */
export type KeventLayout = Layouts<typeof BSD_STRUCTS>["kevent"];

/** What is known of a system with a kqueue, on any machine. */
export interface KqueueTables {
  readonly name: KqueueName;
  readonly constants: KqueueConstants;
  readonly layout: KeventLayout;
}

/** The two calls, by their C names. */
export type KqueueCalls = Pick<Libc, "kqueue" | "kevent">;

/** What a kqueue is operated through. A test brings its own and needs no kernel for it. */
export interface KqueueSystem extends KqueueTables {
  readonly calls: KqueueCalls;
  /** The errno of the call that this thread has just made. */
  readonly errno: () => number;
}

/** The numbers and the struct of one system. */
export function kqueueTables(name: KqueueName): KqueueTables {
  const darwin = pick(BSD_TABLE, BSD_COLUMNS, "darwin");
  if (name === "darwin") return { name, constants: darwin, layout: layoutOf("darwin") };
  const freebsd = pick(BSD_TABLE, BSD_COLUMNS, "freebsd");
  if (name === "freebsd") return { name, constants: freebsd, layout: layoutOf("freebsd") };
  const { NOTE_SECONDS, NOTE_MSECONDS, NOTE_USECONDS, NOTE_NSECONDS, NOTE_ABSOLUTE } = darwin;
  const timers = { NOTE_SECONDS, NOTE_MSECONDS, NOTE_USECONDS, NOTE_NSECONDS, NOTE_ABSOLUTE };
  const constants = Object.freeze({ ...freebsd, ...timers, NOTE_ABSTIME: NaN, NOTE_REVOKE: NaN });
  return { name, constants, layout: layoutOf("darwin") };
}

function layoutOf(column: "darwin" | "freebsd"): KeventLayout {
  return pickLayouts(BSD_STRUCTS, BSD_COLUMNS, column).kevent;
}

/** Which kqueue this machine has, null when it has none. Looks at no kernel. */
export function kqueueHere(): KqueueName | null {
  if (os === "linux") return kqueueLibrary() === "" ? null : "libkqueue";
  const known = arch === "x64" || arch === "arm64";
  return known && (os === "darwin" || os === "freebsd") ? os : null;
}

let system: KqueueSystem | undefined;

/**
 * The kqueue of this machine.
 *
 * @throws {UnsupportedError} when it has none
 */
export function kqueueSystem(): KqueueSystem {
  if (system !== undefined) return system;
  const name = kqueueHere();
  if (name === null) {
    throw new UnsupportedError(
      "kqueue(2)",
      "macOS or FreeBSD, or libkqueue on Linux by its path in FDLOOP_KQUEUE_LIB",
    );
  }
  return system = { ...kqueueTables(name), calls: libc, errno };
}
