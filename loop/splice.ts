/**
 * Bytes that go from one descriptor to another without the program: splice(2) through a pipe.
 *
 * @module
 */

import { linux } from "../ffi/const_linux.ts";
import { errnoNumber } from "../ffi/errno.ts";
import { check, libc } from "../ffi/libc.ts";
import { SyscallError } from "../ffi/syscall_error.ts";
import { Borrowed } from "../handles/borrowed.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { Descriptor, type InterestSet, joinSet, leaveSet } from "../handles/descriptor.ts";
import { readInto, writeFrom } from "../handles/io.ts";
import { splice as moveSome } from "../handles/kernel_transfer.ts";
import { pipe, type PipeEnds } from "../handles/pipe.ts";
import { withRemedy } from "../handles/remedy.ts";
import { pendingError, type StreamKind, streamKind } from "../handles/stream_kind.ts";
import { abortSignal, integer, options as checkOptions, shown } from "../handles/validate.ts";
import type { Core, Owned, Unfinished } from "./core.ts";
import { LoopClosedError } from "./loop_closed_error.ts";
import { HANGUP, type Target } from "./poller.ts";
import { type Side, targetNumber } from "./registry.ts";
import type { Source, Waiter } from "./source.ts";

/** How much one splice moves in a turn before the others have theirs. */
const BUDGET = 512 * 1024;

/** What a step costs of the budget at least. */
const STEP_COST = 4 * 1024;

/** How much is read at once where splice(2) stops although there is more. */
const COPY_BYTES = 64 * 1024;

/** More than any pipe holds. */
const MOST = 1 << 30;

const EPIPE = errnoNumber("EPIPE");

/** What ends a splice before its end. */
export interface SpliceOptions {
  /** How many bytes to move at most. Default: until the end. */
  length?: number;
  /** Ends it: the promise is rejected with a {@link SpliceError} whose cause is the signal's reason. */
  signal?: AbortSignal;
}

/**
 * A splice ended before its end. No byte is lost: what was taken and not given is in `rest`.
 *
 * @example
 * ```ts
 * import { Loop, pipe, socketPair, SpliceError } from "@fdloop/fdloop";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * using loop = Loop.create({ attached: true });
 * using pair = socketPair();
 * using ends = pipe();
 * const moved = loop.splice(pair.left, ends.writer);
 * const error = assertRejects(() => moved, SpliceError);
 * ends.reader.close(); // nobody will read it
 * assertEquals([(await error).moved, (await error).rest], [0, new Uint8Array(0)]);
 * ```
 */
export class SpliceError extends Error {
  /** Always `"SpliceError"`. */
  override readonly name: string = "SpliceError";
  /** How many bytes were given. */
  readonly moved: number;
  /** The bytes behind those, which were taken already. */
  readonly rest: Uint8Array<ArrayBuffer>;

  /**
   * Describes where it ended, and why.
   *
   * @param moved the bytes that were given
   * @param rest the bytes that were taken and not given
   * @param cause what ended it: an error of one of the two, the reason of a signal
   */
  constructor(moved: number, rest: Uint8Array<ArrayBuffer>, cause: unknown) {
    const why = cause instanceof Error ? cause.message : shown(cause);
    const length = rest?.byteLength ?? 0;
    super(`the splice ended after ${moved} bytes, with ${length} more in \`rest\`: ${why}`, {
      cause,
    });
    this.moved = moved;
    this.rest = rest;
  }
}

/**
 * Moves bytes until the end of what they come from: see `Loop.splice`.
 *
 * @throws {TypeError} when an argument is not what it should be, or when one of the two blocks
 * @throws {RangeError} when the length is out of range
 */
export function splice(
  core: Core,
  from: Target,
  to: Target,
  options: SpliceOptions,
): Promise<number> {
  const what = "Loop.splice";
  const { length, signal } = checkOptions(options, `${what}: options`);
  const most = length === undefined
    ? Infinity
    : integer(length, `${what}: length`, 0, Number.MAX_SAFE_INTEGER);
  abortSignal(signal, `${what}: signal`)?.throwIfAborted();
  const source = lent(from, `${what}: from`);
  const sink = lent(to, `${what}: to`);
  if (!streamKind(source, what).reads) {
    throw new TypeError(`${what}: fd ${source.raw} was opened for writing only`);
  }
  const kind = streamKind(sink, what);
  if (!kind.writes) throw new TypeError(`${what}: fd ${sink.raw} was opened for reading only`);
  const splicer = new Splicer(core, { from, source, to, sink, kind }, most, signal);
  return splicer.start();
}

function lent(target: Target, what: string): Descriptor {
  const number = targetNumber(target, what);
  return target instanceof Descriptor ? target : new Borrowed(number);
}

/** The two sides: what the registry knows them by, and what calls are made on. */
interface Sides {
  readonly from: Target;
  readonly source: Descriptor;
  readonly to: Target;
  readonly sink: Descriptor;
  readonly kind: StreamKind;
}

/**
 * One splice. It waits for one thing at a time: for `to` while the pipe holds something, else for `from`;
 * and all the time for `to` to break, because nobody writes to it while nothing comes.
 */
class Splicer implements Unfinished, InterestSet, Owned {
  /** No epoll set: `from` tells it only that it is being closed. */
  readonly raw: number = -1;
  readonly #core: Core;
  readonly #sides: Sides;
  readonly #signal: AbortSignal | undefined;
  readonly #pipe: PipeEnds = pipe();
  readonly #settled: PromiseWithResolvers<number> = Promise.withResolvers();
  readonly #aborted = (): void => this.#fail(this.#signal!.reason);
  readonly #reject = (reason: unknown): void => this.#fail(reason);
  readonly #ready: Waiter = { resolve: () => this.#woken(), reject: this.#reject };
  readonly #broken: Waiter = { resolve: (bits) => this.#sinkBroke(bits), reject: this.#reject };
  #sinkSource: Source | null = null;
  #awaited: { readonly source: Source; readonly side: Side } | null = null;
  /** Whether `from` was reported and not read since. */
  #reported = false;
  #left: number;
  #held = 0;
  #moved = 0;
  #ended = false;
  #over = false;

  constructor(core: Core, sides: Sides, most: number, signal: AbortSignal | undefined) {
    this.#core = core;
    this.#sides = sides;
    this.#left = most;
    this.#signal = signal;
  }

  start(): Promise<number> {
    const { from, source, to } = this.#sides;
    const { registry } = this.#core;
    try {
      // Whether `from` can be waited for is found out now, and not when nothing comes for the first time.
      const probe = registry.listen(from, "readers", this.#ready, "Loop.splice");
      registry.unlisten(probe, "readers", this.#ready);
      this.#sinkSource = registry.listen(to, "enders", this.#broken, "Loop.splice");
    } catch (error) {
      this.#pipe[Symbol.dispose]();
      throw error;
    }
    joinSet(source, this);
    this.#core.owned.add(this);
    this.#signal?.addEventListener("abort", this.#aborted);
    this.#run();
    return this.#settled.promise;
  }

  /** Goes on in the turn after the budget was used up. */
  resume(): void {
    if (!this.#over) this.#run();
  }

  /** What the handle of `from` calls when it is being closed. */
  forget(): void {
    this.#fail(new ClosedError(this.#sides.source[Symbol.toStringTag]));
  }

  /** Ends with its loop, also between two turns, where it may wait for nothing. */
  end(): void {
    this.#fail(new LoopClosedError());
  }

  #run(): void {
    try {
      for (let budget = BUDGET; budget > 0;) {
        if (this.#held === 0 && !this.#take()) return;
        const given = this.#give();
        if (given === null) return this.#wait(this.#sides.to, "writers");
        budget -= Math.max(given, STEP_COST);
      }
    } catch (error) {
      return this.#fail(error);
    }
    this.#core.continueLater(this);
  }

  /** Fills the pipe. Answers false when nothing came, and then waits or is done. */
  #take(): boolean {
    const most = Math.min(this.#left, MOST);
    if (this.#ended || most === 0) {
      this.#finish();
      this.#settled.resolve(this.#moved);
      return false;
    }
    const { from, source } = this.#sides;
    let taken = moveSome(source, this.#pipe.writer, most, linux.SPLICE_F_NONBLOCK);
    // It stops before an urgent byte and says would-block, for ever; read(2) goes on behind it.
    if (taken === null && this.#reported) taken = this.#copy(most);
    this.#reported = false;
    if (taken === null) {
      this.#wait(from, "readers");
      return false;
    }
    this.#ended = taken === 0;
    this.#held = taken;
    this.#left -= taken;
    return taken > 0 || this.#take();
  }

  /** Empties the pipe as far as there is room: how many bytes, null when there is none. */
  #give(): number | null {
    const { sink } = this.#sides;
    const given = moveSome(this.#pipe.reader, sink, this.#held, linux.SPLICE_F_NONBLOCK);
    if (given === null) return null;
    this.#held -= given;
    this.#moved += given;
    return given;
  }

  /** Reads into the pipe, which is empty: no more than it holds. */
  #copy(most: number): number | null {
    const { raw } = this.#pipe.writer;
    const room = check("fcntl", libc.fcntl(raw, linux.F_GETPIPE_SZ, 0), raw);
    const buffer = new Uint8Array(new ArrayBuffer(Math.min(most, room, COPY_BYTES)));
    const got = readInto(this.#sides.source, buffer);
    if (got !== null && got > 0) writeFrom(this.#pipe.writer, buffer.subarray(0, got));
    return got;
  }

  #wait(target: Target, side: Side): void {
    const source = this.#core.registry.listen(target, side, this.#ready, "Loop.splice");
    this.#awaited = { source, side };
  }

  #woken(): void {
    if (this.#over) return;
    this.#reported = this.#awaited?.side === "readers";
    this.#awaited = null;
    this.#run();
  }

  /** Finds out what broke `to`. A socket reports errors that do not break it, too. */
  #sinkBroke(readiness: number): void {
    this.#sinkSource = null;
    const { sink, kind } = this.#sides;
    try {
      const error = pendingError(sink, kind);
      if (error !== null) this.#fail(error);
      else if ((readiness & HANGUP) !== 0) this.#fail(new SyscallError("splice", EPIPE, sink.raw));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(cause: unknown): void {
    if (this.#over) return;
    const rest = new Uint8Array(new ArrayBuffer(this.#held));
    for (let at = 0; at < rest.byteLength;) {
      at += readInto(this.#pipe.reader, rest.subarray(at)) ?? rest.byteLength;
    }
    this.#finish();
    const remedied = withRemedy(cause, {
      EINVAL: "Its kind cannot be spliced: read and write it, or register it as a connection",
    });
    this.#settled.reject(new SpliceError(this.#moved, rest, remedied));
  }

  #finish(): void {
    this.#over = true;
    leaveSet(this.#sides.source, this);
    this.#core.owned.delete(this);
    this.#signal?.removeEventListener("abort", this.#aborted);
    const { registry } = this.#core;
    if (this.#sinkSource !== null) registry.unlisten(this.#sinkSource, "enders", this.#broken);
    if (this.#awaited !== null) {
      registry.unlisten(this.#awaited.source, this.#awaited.side, this.#ready);
    }
    this.#pipe[Symbol.dispose]();
  }
}
