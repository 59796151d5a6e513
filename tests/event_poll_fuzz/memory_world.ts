/**
 * A table of descriptors in user space: what programs see of EventPoll and of files in memory.
 *
 * @module
 */

import { EventPoll } from "../../loop/event_poll.ts";
import { EventPollError } from "../../loop/event_poll_error.ts";
import { MemoryCounter } from "../../loop/memory_counter.ts";
import { memoryPipe, MemoryPipeReader, MemoryPipeWriter } from "../../loop/memory_pipe.ts";
import { MemorySocket, memorySocketPair } from "../../loop/memory_socket.ts";
import {
  COUNTERS,
  DATA,
  FILL_SIZE,
  FIRST_NUMBER,
  MODES,
  OPS,
  report,
  SIZES,
  SLOTS,
  type Step,
  type World,
} from "./program.ts";

const buffer = new Uint8Array(new ArrayBuffer(64 * 1024));

/** A poll with the references that a descriptor table gives it. */
class PollFile {
  readonly poll: EventPoll = new EventPoll();
  references = 1;

  close(): void {
    if (--this.references === 0) this.poll.release();
  }

  dup(): this {
    this.references++;
    return this;
  }
}

type File = MemoryPipeReader | MemoryPipeWriter | MemorySocket | MemoryCounter | PollFile;

/** EventPoll's world. */
export class MemoryWorld implements World {
  readonly #slots: (File | null)[] = Array(SLOTS).fill(null);

  apply(step: Step): string {
    return named(() => this.#apply(step));
  }

  clear(): void {
    for (let slot = 0; slot < SLOTS; slot++) this.#place(slot, null);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #apply(step: Step): string {
    const [op, slot, other] = step as [number, number, number];
    switch (op) {
      case OPS.pipe: {
        const { reader, writer } = memoryPipe();
        this.#place(slot, reader);
        return this.#place(other, writer);
      }
      case OPS.pair: {
        const { left, right } = memorySocketPair();
        this.#place(slot, left);
        return this.#place(other, right);
      }
      case OPS.counter:
        return this.#place(
          slot,
          MemoryCounter.create({ initial: COUNTERS[other]!, semaphore: step[3] === 1 }),
        );
      case OPS.poll:
        return this.#place(slot, new PollFile());
    }
    const file = this.#slots[slot]!;
    if (file === null) return "EBADF";
    switch (op) {
      case OPS.close:
        return this.#place(slot, null);
      case OPS.dup: {
        this.#place(other, null);
        return this.#place(other, file.dup());
      }
      case OPS.write:
        return write(file, SIZES[other]!);
      case OPS.read:
        return read(file, SIZES[other]!);
      case OPS.fill:
        return repeat(() => named(() => write(file, FILL_SIZE)));
      case OPS.drain:
        return repeat(() => named(() => read(file, buffer.byteLength)));
      case OPS.shutdown:
        if (!(file instanceof MemorySocket)) return "ENOTSOCK";
        file.shutdown(MODES[other]!);
        return "ok";
      case OPS.wait:
        return file instanceof PollFile ? wait(file.poll, other) : "EINVAL";
      default:
        return this.#control(op, file, other, step);
    }
  }

  #control(op: number, file: File, other: number, step: Step): string {
    const target = this.#slots[other]!;
    if (target === null) return "EBADF";
    if (!(file instanceof PollFile)) return "EINVAL";
    const { poll } = file;
    const id = {
      file: target instanceof PollFile ? target.poll : target.file,
      fd: FIRST_NUMBER + other,
    };
    if (op === OPS.remove) poll.removeEntry(id);
    else if (op === OPS.add) poll.addEntry(id, step[4]!, step[3]!, DATA[step[5]!]!);
    else poll.updateEntry(id, step[4]!, step[3]!, DATA[step[5]!]!);
    return "ok";
  }

  #place(slot: number, file: File | null): string {
    const before = this.#slots[slot]!;
    this.#slots[slot] = file;
    before?.close();
    return "ok";
  }
}

function wait(poll: EventPoll, max: number): string {
  const events = poll.readEvents(max);
  if (events.length === 0) return "";
  return `[${events.map(({ mask, data }) => report(mask, data)).join(" ")}]`;
}

function write(file: File, size: number): string {
  if (file instanceof MemoryPipeReader) return "EBADF";
  if (file instanceof PollFile) return "EINVAL";
  if (file instanceof MemoryCounter) return file.signal(size) ? "8" : "EAGAIN";
  const taken = file.write(buffer.subarray(0, size));
  return taken === null ? "EAGAIN" : String(taken);
}

function read(file: File, size: number): string {
  if (file instanceof MemoryPipeWriter) return "EBADF";
  if (file instanceof PollFile) return "EINVAL";
  if (file instanceof MemoryCounter) {
    const value = file.wait();
    return value === null ? "EAGAIN" : `=${value}`;
  }
  const got = file.read(buffer.subarray(0, size));
  return got === null ? "EAGAIN" : String(got);
}

/** What a call answers, or the name of its error. */
function named(call: () => string): string {
  try {
    return call();
  } catch (error) {
    if (error instanceof EventPollError) return error.code;
    throw error;
  }
}

/** The most calls of one step: a counter takes a word ever again. */
const MOST_CALLS = 100;

/** Calls until it says no: what the last call said, and how much all of them moved. */
export function repeat(call: () => string): string {
  let total = 0;
  for (let calls = 0; calls < MOST_CALLS; calls++) {
    const result = call();
    if (!(Number(result) > 0)) return `${total} ${result}`;
    total += Number(result);
  }
  return String(total);
}
