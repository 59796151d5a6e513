/**
 * epoll in user space, and the sources for it, without the rest of fdloop: for Node and browsers, too.
 *
 * Nothing here opens, calls or names anything outside JavaScript. `VirtualPoller` and the bridges to a
 * Loop's descriptors are in the main module only.
 *
 * @module
 */

export { ClosedError } from "../handles/closed_error.ts";
export type { Duration, DurationLike } from "../handles/duration.ts";
export { AbortSource } from "./abort_source.ts";
export { BoundedQueue } from "./bounded_queue.ts";
export { EntryFlags, type EntryFlagWords, EventMask, type EventMaskWords } from "./event_mask.ts";
export { EventPoll, type PollEvent, type PollWaitOptions } from "./event_poll.ts";
export { EventPollError, type EventPollErrorCode } from "./event_poll_error.ts";
export type { FileIdentifier } from "./event_settings.ts";
export { MemoryCounter, type MemoryCounterOptions } from "./memory_counter.ts";
export { MemoryFile } from "./memory_file.ts";
export {
  memoryPipe,
  type MemoryPipeEnds,
  MemoryPipeReader,
  MemoryPipeWriter,
} from "./memory_pipe.ts";
export { MemorySocket, type MemorySocketPair, memorySocketPair } from "./memory_socket.ts";
export { type MessageNote, type MessageSender, PortSource } from "./port_source.ts";
export { StreamSink } from "./stream_sink.ts";
export { type StreamItem, StreamSource } from "./stream_source.ts";
export { type SourceListener, type Waitable, WaitableBase, WaiterQueue } from "./waitable.ts";
