/**
 * The kernel itself, for Bun and Deno: epoll, eventfd, timerfd, signalfd, pidfd, memfd, pipes and
 * sockets as safe, owned handles, an event loop over them, and the CPUs that its threads run on.
 *
 * libc is called directly, through `bun:ffi` or `Deno.dlopen`. Nothing is opened by the import.
 *
 * Conventions: would-block is `null`, the end of a file is `0`, a full counter is `false`; exceptions
 * are for what a caller cannot expect. A time is a `number` of milliseconds, a `bigint` of nanoseconds
 * or a `Temporal.Duration`, and nothing is ever early. Descriptors are non-blocking and closed on exec
 * unless asked otherwise. Everything owned is closed by `close()` or `using`, never by the garbage
 * collector.
 *
 * On Deno the narrow grant `--allow-ffi=<path of libc>` is enough for all but the views of
 * `MappedRegion`.
 *
 * @example
 * ```ts
 * import { Loop, PidFD } from "@fdloop/fdloop";
 * import { spawn } from "node:child_process";
 * import { assertEquals } from "@std/assert";
 *
 * using loop = Loop.create();
 * using child = PidFD.open(spawn("sh", ["-c", "exit 7"]).pid!);
 * loop.watch(child, { readable: true }, () => loop.stop());
 * await loop.run();
 * assertEquals(child.exitStatus()?.code, 7);
 * ```
 *
 * @module
 */

export { type NamedSignal, type SignalName, signalName, signalNumber } from "./ffi/signals.ts";
export { type Feature, supports } from "./ffi/supports.ts";
export { SyscallError } from "./ffi/syscall_error.ts";
export { UnsupportedError } from "./ffi/unsupported.ts";
export { currentCPU, getAffinity, setAffinity } from "./handles/affinity.ts";
export { ClockChangedError } from "./handles/clock_changed_error.ts";
export { closeRange, type CloseRangeOptions } from "./handles/close_range.ts";
export { ClosedError } from "./handles/closed_error.ts";
export {
  type CPUTopology,
  cpuTopology,
  type NumaNode,
  spreadCPUs,
} from "./handles/cpu_topology.ts";
export {
  Console,
  type ConsolePair,
  type OpenPtyOptions,
  type SharedConsole,
} from "./handles/console.ts";
export { ConsoleBase } from "./handles/console_base.ts";
export { ConsoleChild } from "./handles/console_child.ts";
export type { ConsoleSpawnOptions } from "./handles/console_spawn.ts";
export { Descriptor, type SharedDescriptor } from "./handles/descriptor.ts";
export type { Duration, DurationLike } from "./handles/duration.ts";
export { Epoll, type EpollOptions, type SharedEpoll } from "./handles/epoll.ts";
export { EPOLL, type EpollEvent, EpollEvents, type EpollWords } from "./handles/epoll_events.ts";
export { EventFD, type EventFDOptions, type SharedEventFD } from "./handles/event_fd.ts";
export type { ExitStatus, ProcessState, StateChange } from "./handles/exit_status.ts";
export { FD } from "./handles/fd.ts";
export type {
  Handle,
  PollCloser,
  PollFd,
  Reader,
  ReadWriter,
  Signaler,
  Timer,
  Writer,
} from "./handles/interfaces.ts";
export { Kqueue, type KqueueOptions, type SharedKqueue } from "./handles/kqueue.ts";
export type { KqueueChange } from "./handles/kqueue_changes.ts";
export { type KqueueEvent, KqueueEvents } from "./handles/kqueue_events.ts";
export {
  EV,
  type KqueueFilter,
  type KqueueFlagWords,
  type KqueueNoteWords,
  NOTE,
} from "./handles/kqueue_words.ts";
export { MappedRegion, type SyncOptions } from "./handles/mapped_region.ts";
export type { MapOptions } from "./handles/mapping.ts";
export { MemFD } from "./handles/mem_fd.ts";
export type { HugePageSize, MemFDOptions } from "./handles/memory_options.ts";
export { PidFD, type PidFDOptions, type SharedPidFD } from "./handles/pid_fd.ts";
export {
  type EndOptions,
  pipe,
  type PipeEnds,
  type SocketPair,
  socketPair,
  type SocketPairOptions,
} from "./handles/pipe.ts";
export type { ProcessInfo } from "./handles/process_info.ts";
export type { SendSignalOptions, SignalScope } from "./handles/process_signal.ts";
export type { ProcessWaitOptions } from "./handles/process_wait.ts";
export type { Seal } from "./handles/seals.ts";
export { SignalBatch } from "./handles/signal_batch.ts";
export { type SharedSignalFD, SignalFD, type SignalFDOptions } from "./handles/signal_fd.ts";
export { SignalInfo } from "./handles/signal_info.ts";
export { type Signals, SigSet } from "./handles/sig_set.ts";
export {
  type AddressLike,
  formatAddress,
  type Inet6Address,
  type InetAddress,
  parseAddress,
  type SocketAddress,
  type UnixAddress,
} from "./handles/socket_address.ts";
export { type ListenEnvironment, type ListenFd, listenFds } from "./handles/listen_fds.ts";
export { type ReceivedFds, recvFds, sendFds } from "./handles/send_fds.ts";
export { type SharedSocket, Socket } from "./handles/socket.ts";
export { type PeerCredentials, SocketBase } from "./handles/socket_base.ts";
export type { Datagram, ReceiveOptions, SendOptions } from "./handles/socket_io.ts";
export type {
  BindOptions,
  ConnectOptions,
  ListenOptions,
  SocketFileOptions,
  SocketFlags,
} from "./handles/socket_open.ts";
export type {
  AcceptOptions,
  BufferOptions,
  KeepAlive,
  KeepAliveSetting,
  NameOptions,
  SocketType,
  TCPOptions,
} from "./handles/socket_options.ts";
export { TargetFDError } from "./handles/target_fd_error.ts";
export type { ConsoleSize, ConsoleSizeOptions } from "./handles/termios.ts";
export type { TimerClock } from "./handles/timer_clock.ts";
export {
  type ArmAtOptions,
  type SharedTimerFD,
  TimerFD,
  type TimerFDOptions,
} from "./handles/timer_fd.ts";
export type { TimerSetting } from "./handles/timer_setting.ts";
export type { AwaitOptions, Waiter } from "./handles/waiting.ts";
export { type AcceptHandlers, Acceptor, type AcceptorOptions } from "./loop/acceptor.ts";
export type { SharedBell } from "./loop/bell.ts";
export { AbortSource } from "./loop/abort_source.ts";
export { BoundedQueue } from "./loop/bounded_queue.ts";
export {
  ConnTimeoutError,
  QueueFullError,
  ShortFileError,
  type TimeoutKind,
  UnknownFDError,
} from "./loop/conn_errors.ts";
export type { ConnTimeoutOptions } from "./loop/conn_timeouts.ts";
export type { ConnHandlers, ConnOptions } from "./loop/conn_options.ts";
export {
  ConsolePoller,
  type ConsolePollerOptions,
  EpollConsole,
  Epoller,
  KqueueConsole,
  Kqueuer,
} from "./loop/console_poller.ts";
export { ConsoleStopper, type SharedConsoleStopper } from "./loop/console_stopper.ts";
export { Connection } from "./loop/connection.ts";
export type { SendfileOptions } from "./loop/file_job.ts";
export { Engine } from "./loop/engine.ts";
export { EngineClosedError, EngineWorkerError } from "./loop/engine_errors.ts";
export {
  type ConnLuggage,
  defineHandler,
  type EngineHandler,
  type EngineWorker,
} from "./loop/engine_handler.ts";
export type { EngineMetrics, WorkerMetrics } from "./loop/engine_metrics.ts";
export type {
  AdoptOptions,
  EngineOptions,
  PauseOptions,
  ShutdownOptions,
} from "./loop/engine_options.ts";
export {
  EntryFlags,
  type EntryFlagWords,
  EventMask,
  type EventMaskWords,
} from "./loop/event_mask.ts";
export { EventPoll, type PollEvent, type PollWaitOptions } from "./loop/event_poll.ts";
export { EventPollError, type EventPollErrorCode } from "./loop/event_poll_error.ts";
export type { FileIdentifier } from "./loop/event_settings.ts";
export { HandleSource } from "./loop/handle_source.ts";
export type { DepartedConn } from "./loop/transplant.ts";
export type { Interest, Readiness } from "./loop/interest.ts";
export { Loop } from "./loop/loop.ts";
export { LoopBase } from "./loop/loop_base.ts";
export { LoopClosedError } from "./loop/loop_closed_error.ts";
export { MemoryCounter, type MemoryCounterOptions } from "./loop/memory_counter.ts";
export { MemoryFile } from "./loop/memory_file.ts";
export {
  memoryPipe,
  type MemoryPipeEnds,
  MemoryPipeReader,
  MemoryPipeWriter,
} from "./loop/memory_pipe.ts";
export { MemorySocket, type MemorySocketPair, memorySocketPair } from "./loop/memory_socket.ts";
export type { LoopMetrics } from "./loop/metrics.ts";
export type { LoopOptions, WaitOptions } from "./loop/options.ts";
export {
  type AddConsoleOptions,
  type ConsoleHome,
  type Hangup,
  PolledConsole,
} from "./loop/polled_console.ts";
export { PollWatch } from "./loop/poll_watch.ts";
export type { Target } from "./loop/poller.ts";
export {
  type PollerCandidate,
  type PollerDecision,
  type PollerKind,
  PollerPolicy,
  type PollerPolicyOptions,
} from "./loop/poller_policy.ts";
export { bindPort, type BindPortOptions, PortGroup } from "./loop/port_group.ts";
export { SpliceError, type SpliceOptions } from "./loop/splice.ts";
export type { LoopSignal } from "./loop/signals.ts";
export { VirtualPoller, type VirtualPollerOptions } from "./loop/poller_virtual.ts";
export { type MessageNote, type MessageSender, PortSource } from "./loop/port_source.ts";
export { StreamSink } from "./loop/stream_sink.ts";
export { type StreamItem, StreamSource } from "./loop/stream_source.ts";
export type { StreamPair } from "./loop/streams.ts";
export { LoopTimer } from "./loop/timers.ts";
export { type SourceListener, type Waitable, WaitableBase, WaiterQueue } from "./loop/waitable.ts";
export { LoopWaker, type SharedWaker } from "./loop/waker.ts";
export { Watch } from "./loop/watch.ts";
export { WorkerLoop } from "./loop/worker_loop.ts";
