/**
 * The part of the misuse table that is about EventPoll and the sources in memory.
 *
 * @module
 */

import { EventFD } from "../../handles/event_fd.ts";
import { AbortSource } from "../../loop/abort_source.ts";
import { BoundedQueue } from "../../loop/bounded_queue.ts";
import { EntryFlags, EventMask } from "../../loop/event_mask.ts";
import { EventPoll } from "../../loop/event_poll.ts";
import { EventPollError } from "../../loop/event_poll_error.ts";
import { HandleSource } from "../../loop/handle_source.ts";
import { Loop } from "../../loop/loop.ts";
import { MemoryCounter } from "../../loop/memory_counter.ts";
import { memoryPipe } from "../../loop/memory_pipe.ts";
import { memorySocketPair } from "../../loop/memory_socket.ts";
import { PollWatch } from "../../loop/poll_watch.ts";
import { VirtualPoller } from "../../loop/poller_virtual.ts";
import { type MessageSender, PortSource } from "../../loop/port_source.ts";
import { StreamSink } from "../../loop/stream_sink.ts";
import { StreamSource } from "../../loop/stream_source.ts";
import { WaiterQueue } from "../../loop/waitable.ts";
import type { Arguments, Subject } from "./subjects.ts";

const bytes: Arguments = () => [new Uint8Array(8)];
const mask: Arguments = () => [EventMask.IN];

const listener = (): object => ({ exclusive: false, notify: () => true, released() {} });

/** What every source has. A source believes the poll that asks it, and is not asked by programs. */
const SOURCE: Subject["valid"] = {
  readiness: mask,
  register: () => [listener()],
  unregister: () => [listener()],
};

/** A source that has something, in an entry of the poll. */
const entry: Arguments = (_scope, poll) => {
  const id = { file: MemoryCounter.create({ initial: 1 }), fd: 3 };
  if (poll instanceof EventPoll && !poll.closed) poll.addEntry(id, 0, EventMask.IN, 1);
  return [id, EntryFlags.EdgeTriggered, EventMask.IN, 7];
};

/** A poll with something to report, so that a wait without a limit ends at once. */
function makePoll(): EventPoll {
  const poll = new EventPoll();
  poll.addEntry({ file: MemoryCounter.create({ initial: 1 }) }, 0, EventMask.IN, 1);
  return poll;
}

/** A port that is no port, and keeps no process alive. */
const port = (): MessageSender => ({ addEventListener() {}, removeEventListener() {}, start() {} });

/** A class whose instances come from somewhere else. */
function made(make: Subject["make"], valid: Subject["valid"]): Subject {
  return {
    make,
    refused: ["new"],
    blunt: ["readiness"],
    valid: { new: () => [Symbol("made"), {}], ...SOURCE, ...valid },
  };
}

/** Lines of the table, by the names of mod.ts. */
export const EVENT_POLL_SUBJECTS: Readonly<Record<string, Subject>> = {
  EventMask: { make: () => EventMask, valid: {} },
  EntryFlags: { make: () => EntryFlags, valid: {} },
  EventPollError: {
    make: () => new EventPollError("epoll_ctl", "EEXIST"),
    blunt: ["new"],
    valid: { new: () => ["epoll_ctl", "EEXIST", "Do something else"] },
  },
  EventPoll: {
    make: makePoll,
    blunt: ["readiness"],
    valid: {
      new: () => [],
      ...SOURCE,
      addEntry: () => [{ file: MemoryCounter.create(), fd: 3 }, 0, EventMask.IN, 7],
      updateEntry: entry,
      removeEntry: (scope, poll) => entry(scope, poll).slice(0, 1),
      readEvents: () => [4],
      wait: () => [4, { timeout: 1, signal: new AbortController().signal }],
    },
  },
  WaiterQueue: {
    make: () => new WaiterQueue(),
    close: (queue) => (queue as WaiterQueue).release(),
    valid: { register: SOURCE.register!, unregister: SOURCE.unregister!, notify: mask },
  },
  WaitableBase: { valid: SOURCE, refused: ["new"] },
  MemoryFile: { valid: { ...SOURCE, new: () => [{}] }, refused: ["new"] },
  memoryPipe: { valid: { memoryPipe: () => [] } },
  MemoryPipeReader: made(() => memoryPipe().reader, { read: bytes }),
  MemoryPipeWriter: made(() => memoryPipe().writer, { write: bytes }),
  memorySocketPair: { valid: { memorySocketPair: () => [] } },
  MemorySocket: made(() => memorySocketPair().left, {
    read: bytes,
    write: bytes,
    shutdown: () => ["write"],
  }),
  MemoryCounter: made(() => MemoryCounter.create({ initial: 1 }), {
    "static create": () => [{ initial: 1, semaphore: false }],
    signal: () => [1],
  }),
  BoundedQueue: {
    make: () => new BoundedQueue(4),
    blunt: ["readiness"],
    valid: { ...SOURCE, new: () => [4], push: () => [1] },
  },
  AbortSource: {
    make: () => new AbortSource(new AbortController().signal),
    blunt: ["readiness"],
    valid: { ...SOURCE, new: () => [new AbortController().signal] },
  },
  PortSource: {
    make: () => new PortSource(port()),
    blunt: ["readiness"],
    valid: { ...SOURCE, new: () => [port()] },
  },
  StreamSource: {
    make: () => new StreamSource(new ReadableStream()),
    blunt: ["readiness"],
    valid: { ...SOURCE, new: () => [new ReadableStream()] },
  },
  StreamSink: {
    make: () => new StreamSink(new WritableStream()),
    blunt: ["readiness"],
    valid: { ...SOURCE, new: () => [new WritableStream()], write: () => [1] },
  },
  VirtualPoller: {
    make: () => new VirtualPoller(),
    valid: { new: () => [{ manual: false }], advance: () => [5] },
  },
  PollWatch: {
    make: (scope) => new PollWatch(scope.keep(Loop.create()), makePoll(), () => {}),
    valid: { new: (scope) => [scope.keep(Loop.create()), makePoll(), () => {}] },
  },
  HandleSource: {
    make: (scope) => new HandleSource(scope.keep(Loop.create()), scope.keep(EventFD.create())),
    blunt: ["readiness"],
    valid: {
      ...SOURCE,
      new: (scope) => [scope.keep(Loop.create()), scope.keep(EventFD.create())],
    },
  },
};
