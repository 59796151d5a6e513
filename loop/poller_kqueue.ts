/**
 * The poller of the BSDs: one kqueue, with an event of its own that wakes it, and a timer for its
 * alarm.
 *
 * What was registered is taken out and put in anew whenever it changes: changing an event in place
 * keeps its flags on some systems, and says nothing of what is ready already.
 *
 * Urgent data is not reported: FreeBSD has no event for it.
 *
 * Kernel: macOS, FreeBSD 12; Linux with libkqueue.
 *
 * @module
 */

import { posix } from "../ffi/const_posix.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { kqueueSystem } from "../ffi/kqueue.ts";
import { check, libc } from "../ffi/libc.ts";
import { structs } from "../ffi/structs.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Descriptor, type InterestSet, joinSet, leaveSet } from "../handles/descriptor.ts";
import { Epoll } from "../handles/epoll.ts";
import { giveBack, lend } from "../handles/epoll_ctl.ts";
import { applyTo, changesFor, Kqueue, type SharedKqueue } from "../handles/kqueue.ts";
import type { ChangeList } from "../handles/kqueue_changes.ts";
import { KqueueEvents, received } from "../handles/kqueue_events.ts";
import { pipe, type PipeEnds } from "../handles/pipe.ts";
import { EV, NOTE } from "../handles/kqueue_words.ts";
import { hangBell, ring, takeRings } from "./bell.ts";
import { inKernel } from "./kernel_target.ts";
import {
  addition,
  type Member,
  newMember,
  readinessOf,
  register,
  removal,
} from "./kqueue_knotes.ts";
import { type Notice, Observers } from "./kqueue_observers.ts";
import {
  ALARM_SLOT,
  CLOSED_SLOT,
  EDGE,
  ONCE,
  type Poller,
  type Target,
  WAKE_SLOT,
} from "./poller.ts";
import { batchOf, type SharedQueue } from "./sentry.ts";

const { S_IFMT, S_IFREG, S_IFDIR, F_GETFL, O_NONBLOCK } = posix;

const EEXIST = errnoNumber("EEXIST");
const ENOENT = errnoNumber("ENOENT");
const EPERM = errnoNumber("EPERM");

/** The most reports that one wait takes: what does not fit is reported by the next one. */
const BATCH = 512;

/** The ident of the timer, among timers. */
const ALARM_IDENT = 0;

/** What the words of the generation hold, without the count of registrations. */
const GENERATION_BITS = 2 ** 21 - 1;

const stat = new DataView(new ArrayBuffer(structs.stat.size));

/** The kqueue of one loop. */
export class KqueuePoller implements Poller, InterestSet {
  readonly #queue: Kqueue;
  readonly #changes: ChangeList;
  readonly #observers: Observers;
  readonly #members: Map<number, Member> = new Map();
  readonly #events: KqueueEvents = new KqueueEvents(BATCH);
  readonly #slots: Uint32Array = new Uint32Array(BATCH);
  readonly #generations: Uint32Array = new Uint32Array(BATCH);
  readonly #readiness: Uint8Array = new Uint8Array(BATCH);
  /** What the thread that blocks for this poller has taken: see `sentry.ts`. */
  #taken: { readonly events: KqueueEvents; readonly count: Int32Array } | null = null;
  /** Rung by threads that close shared targets. Made for the first of these. */
  #closings: PipeEnds | null = null;
  #waits = 0;

  /**
   * Opens the queue.
   *
   * @throws {UnsupportedError} on an operating system without kqueue
   * @throws {SyscallError} EMFILE, ENFILE, when there is no descriptor left
   */
  constructor() {
    this.#queue = Kqueue.create();
    try {
      this.#changes = changesFor(this.#queue);
      this.#observers = new Observers(this.#queue);
      hangBell(this.#queue);
    } catch (error) {
      this.#queue.close();
      throw error;
    }
  }

  get raw(): number {
    return this.#queue.raw;
  }

  share(): SharedQueue {
    const batch = new SharedArrayBuffer(BATCH * kqueueSystem().layout.size);
    const count = new SharedArrayBuffer(4);
    const shared = { ...this.#queue.share(), batch, count };
    this.#taken = { events: batchOf(batch), count: new Int32Array(count) };
    return shared;
  }

  shareBell(): SharedKqueue {
    return this.#queue.share();
  }

  closingBell(): number {
    if (this.#closings === null) {
      const ends = pipe();
      this.#changes.clear();
      this.#changes.add("READ", ends.reader.raw, EV.ADD | EV.CLEAR, 0, 0);
      const code = applyTo(this.#queue, this.#changes) || this.#changes.errnoOf(0);
      if (code !== 0) {
        ends[Symbol.dispose]();
        throw refused(code, this.raw, "The bell of closed handles was not hung");
      }
      this.#closings = ends;
    }
    return this.#closings.writer.raw;
  }

  add(target: Target, interest: number, slot: number, generation: number): void {
    const known = inKernel(target);
    const fd = lend(known, "the target");
    try {
      this.#forgetClosed(fd);
      if (this.#members.has(fd)) throw refused(EEXIST, fd, "It is in the poller already");
      refuseFiles(fd);
      refuseBlocking(target, fd, interest);
      const member = newMember(target);
      register(member, interest, slot, generation);
      if (target instanceof Descriptor) joinSet(target, this);
      this.#changes.clear();
      addition(this.#changes, fd, member);
      this.#members.set(fd, member);
      this.#apply(fd, member, 0);
    } finally {
      giveBack(known);
    }
  }

  modify(target: Target, interest: number, slot: number, generation: number): void {
    const known = inKernel(target);
    const fd = lend(known, "the target");
    try {
      const member = this.#find(target, fd);
      refuseBlocking(target, fd, interest);
      this.#changes.clear();
      removal(this.#changes, fd, member.interest);
      const removals = this.#changes.count;
      register(member, interest, slot, generation);
      addition(this.#changes, fd, member);
      this.#apply(fd, member, removals);
    } finally {
      giveBack(known);
    }
  }

  delete(target: Target): void {
    const known = inKernel(target);
    const fd = lend(known, "the target");
    try {
      this.#remove(this.#find(target, fd), fd);
    } finally {
      giveBack(known);
    }
  }

  /** Takes out a handle that is about to be closed: {@link InterestSet.forget}. */
  forget(descriptor: Descriptor, fd: number): void {
    const member = this.#members.get(fd);
    if (member?.target === descriptor) this.#remove(member, fd);
    else leaveSet(descriptor, this);
  }

  /**
   * Calls back for what happens to no descriptor, from within a wait, which it ends: a signal that
   * comes, a process that ends.
   *
   * @throws {SyscallError} ESRCH, EINVAL, when there is no such thing
   */
  observe(filter: "SIGNAL" | "PROC", ident: number, notice: Notice): Disposable {
    return this.#observers.add(filter, ident, notice);
  }

  wait(milliseconds: number): number {
    const taken = this.#take();
    if (taken > 0) return taken;
    const begin = milliseconds > 0 ? performance.now() : 0;
    for (let left = milliseconds;;) {
      const count = this.#queue.control(null, this.#events, left < 0 ? null : left);
      const reports = this.#collect(this.#events, count);
      if (reports > 0 || milliseconds === 0) return reports;
      if (milliseconds < 0) continue;
      // Nothing that anybody asked for has happened: the time goes on.
      left = milliseconds - (performance.now() - begin);
      if (left <= 0) return 0;
    }
  }

  slot(index: number): number {
    return this.#slots[index]!;
  }

  generation(index: number): number {
    return this.#generations[index]!;
  }

  readiness(index: number): number {
    return this.#readiness[index]!;
  }

  wake(): void {
    ring(this.#queue, this.#changes);
  }

  now(): number {
    return performance.now();
  }

  alarm(milliseconds: number): void {
    // 0 is the smallest time on some systems, and never on others.
    const nanoseconds = Math.max(1, Math.ceil(milliseconds * 1e6));
    const exact = nanoseconds <= Number.MAX_SAFE_INTEGER;
    const time = exact ? nanoseconds : Math.ceil(milliseconds);
    this.#changes.clear();
    const flags = EV.ADD | EV.ONESHOT;
    this.#changes.add("TIMER", ALARM_IDENT, flags, exact ? NOTE.NSECONDS : 0, time);
    const code = applyTo(this.#queue, this.#changes) || this.#changes.errnoOf(0);
    if (code !== 0) throw refused(code, this.raw, "The alarm was not set");
  }

  close(): void {
    for (const { target } of this.#members.values()) {
      if (target instanceof Descriptor) leaveSet(target, this);
    }
    this.#members.clear();
    this.#queue.close();
    this.#closings?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Makes the changes for a member. One that cannot be registered as it should is out of the poller. */
  #apply(fd: number, member: Member, removals: number): void {
    const changes = this.#changes;
    let code = applyTo(this.#queue, changes);
    // Taking out what has gone by itself is no failure.
    for (let index = removals; code === 0 && index < changes.count; index++) {
      code = changes.errnoOf(index);
    }
    if (code === 0) return;
    this.#remove(member, fd);
    throw refused(code, fd, "Its kind cannot be watched, or it is not open");
  }

  #remove(member: Member, fd: number): void {
    this.#members.delete(fd);
    if (member.target instanceof Descriptor) leaveSet(member.target, this);
    this.#changes.clear();
    removal(this.#changes, fd, member.interest);
    applyTo(this.#queue, this.#changes);
  }

  #find(target: Target, fd: number): Member {
    const member = this.#members.get(fd);
    if (member !== undefined && member.target === target) return member;
    throw refused(ENOENT, fd, "It is not in the poller: add it first");
  }

  /** A copy on another thread may have closed the handle; then the number has a new owner. */
  #forgetClosed(fd: number): void {
    const member = this.#members.get(fd);
    if (member?.target instanceof Descriptor && member.target.raw !== fd) this.#remove(member, fd);
  }

  /** What the thread that blocks for this poller has taken since the last wait. */
  #take(): number {
    if (this.#taken === null) return 0;
    const { events, count } = this.#taken;
    const length = Atomics.exchange(count, 0, 0);
    if (length === 0) return 0;
    received(events, length);
    return this.#collect(events, length);
  }

  /** Makes reports of events, one for each target. */
  #collect(events: KqueueEvents, count: number): number {
    const wait = ++this.#waits;
    let reports = 0;
    for (let index = 0; index < count; index++) {
      const filter = events.filter(index);
      if (filter === "READ" || filter === "WRITE") {
        const fd = events.ident(index);
        if (fd === this.#closings?.reader.raw) {
          takeRings(this.#closings.reader);
          this.#readiness[reports] = 0;
          this.#report(reports++, CLOSED_SLOT, 0);
          continue;
        }
        const member = this.#members.get(fd);
        if (member === undefined || !isFor(member, events, index)) continue;
        const bits = readinessOf(
          member.interest,
          filter,
          fd,
          events.flags(index),
          events.fflags(index),
        );
        if (bits === 0 || (member.spent && member.wait !== wait)) continue;
        if (member.wait !== wait) {
          member.wait = wait;
          member.index = reports;
          this.#readiness[reports] = 0;
          this.#report(reports++, member.slot, member.tag & GENERATION_BITS);
          member.spent = (member.interest & ONCE) !== 0;
        }
        this.#readiness[member.index]! |= bits;
      } else {
        if (filter !== "TIMER" && filter !== "USER") this.#observers.notify(events, index);
        this.#readiness[reports] = 0;
        this.#report(reports++, filter === "TIMER" ? ALARM_SLOT : WAKE_SLOT, 0);
      }
    }
    return reports;
  }

  #report(index: number, slot: number, generation: number): void {
    this.#slots[index] = slot;
    this.#generations[index] = generation;
  }
}

/** Whether an event belongs to what a member is registered for now. */
function isFor(member: Member, events: KqueueEvents, index: number): boolean {
  return events.udataLow(index) === member.slot && events.udataHigh(index) === member.tag;
}

function refused(code: number, fd: number, remedy: string): SyscallError {
  return new SyscallError("kevent", code, fd, remedy);
}

/** Files and directories are always ready; a kqueue takes them, and tells where they end. */
function refuseFiles(fd: number): void {
  check("fstat", libc.fstat(fd, stat), fd);
  const kind = stat.getUint16(structs.stat.st_mode, true) & S_IFMT;
  if (kind !== S_IFREG && kind !== S_IFDIR) return;
  throw refused(EPERM, fd, "Its kind cannot be waited for: files and directories are always ready");
}

/** An edge is for those who read until it would block, which a descriptor that blocks never says. */
function refuseBlocking(target: Target, fd: number, interest: number): void {
  if ((interest & EDGE) === 0 || target instanceof Epoll || target instanceof Kqueue) return;
  if ((check("fcntl", libc.fcntl(fd, F_GETFL, 0), fd) & O_NONBLOCK) !== 0) return;
  throw new TypeError(
    `An edge cannot be asked for fd ${fd}, which blocks: a read or write that has to go on until ` +
      "it would block never returns. Call setNonblock(true), or make it with blocking: false",
  );
}
