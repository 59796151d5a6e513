/**
 * What the threads of an engine say to each other: records of a mailbox, each a header of four words
 * and then the bytes that go with it.
 *
 * @module
 */

import { SyscallError } from "../ffi/syscall_error.ts";
import { ClosedError } from "../handles/closed_error.ts";
import { bytes as checkBytes, options as checkOptions, shown } from "../handles/validate.ts";
import { QueueFullError, UnknownFDError } from "./conn_errors.ts";
import type { ConnLuggage } from "./engine_handler.ts";
import { threadProcess } from "./worker_orders.ts";

/** What a record says. A worker answers each order that has a number with that number. */
export const KIND = {
  // Orders to a worker.
  /** Load the handler. */
  START: 1,
  /** Accept from the listener `fd`, which is yours from now on. */
  LISTEN: 2,
  /** Stop to accept, and close the listener. */
  PAUSE: 3,
  /** Receive and send for `fd`, which is somebody else's. The body: a {@linkcode Registration}. */
  REGISTER: 4,
  /** No longer do so. */
  UNREGISTER: 5,
  /** Send the body on `fd`. */
  WRITE: 6,
  /**
   * Take over the connection `fd`. The body: {@linkcode packed} luggage. With an `extra` of
   * {@linkcode BACK} it has left you before.
   */
  ADOPT: 7,
  /** End when the last connection is over. */
  FINISH: 8,
  /** End all connections, and then yourself. */
  CLOSE: 9,
  /** Offer connections, `fd` more than before, for the move `extra`, as they come to a boundary. */
  MOVE: 10,
  /** Offer those that are at a boundary now, at most `fd`, for the move `extra`. The answer: how many. */
  MOVE_NOW: 11,
  /** Offer no more. */
  STAY: 12,
  /** Stop to accept, and close your descriptor of the listener, which others go on with. */
  RELEASE: 13,
  // From a worker.
  /** It was done. The body: the answer, where there is one. */
  DONE: 20,
  /** It was refused. The body: why. */
  REFUSED: 21,
  /** The worker ends because its program threw. The body: what. */
  FAILED: 22,
  /** The worker ends as it was told to. */
  ENDED: 23,
  /** The connection `fd` is the engine's, for the move `extra`. The body: {@linkcode packed} luggage. */
  OFFER: 24,
  // Both ways.
  /** The body: a value of the program. */
  VALUE: 30,
} as const;

/** One of {@linkcode KIND}. */
export type Kind = (typeof KIND)[keyof typeof KIND];

/** The body of REGISTER. */
export interface Registration {
  readonly module: string;
  readonly options: object;
}

/** See {@linkcode KIND}. */
export const BACK = 1;

const HEADER_BYTES = 16;

/** An empty body. */
export const NOTHING: Uint8Array = new Uint8Array(0);

/** The header of a record. It is valid until the next call: a mailbox copies it. */
export function header(kind: Kind, id: number = 0, fd: number = -1, extra: number = 0): Uint8Array {
  headerWords[0] = kind;
  headerWords[1] = id;
  headerWords[2] = fd;
  headerWords[3] = extra;
  return headerBytes;
}

const headerBytes = new Uint8Array(new ArrayBuffer(HEADER_BYTES));
const headerWords = new Int32Array(headerBytes.buffer);

/** A record that has come. */
export interface Letter {
  readonly kind: Kind;
  /** Which order it is, or answers; 0 for none. */
  readonly id: number;
  readonly fd: number;
  /** A small answer. */
  readonly extra: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Takes a record apart. */
export function opened(record: Uint8Array<ArrayBuffer>): Letter {
  const words = new Int32Array(record.buffer, 0, HEADER_BYTES / 4);
  return {
    kind: words[0] as Kind,
    id: words[1]!,
    fd: words[2]!,
    extra: words[3]!,
    body: record.subarray(HEADER_BYTES),
  };
}

/** How many bytes may wait for a thread that does not take them, besides what its mailbox holds. */
const MOST_WAITING = 64 * 1024 * 1024;

/**
 * Refuses what would make the queue for a thread too long.
 *
 * @throws {QueueFullError} when the thread does not keep up
 */
export function checkRoom(pending: number, more: number, what: string): void {
  if (pending + more <= MOST_WAITING || pending === 0) return;
  const error = new QueueFullError(more, pending, MOST_WAITING);
  error.message = `${what}: the other thread does not keep up: ${pending} bytes wait for it, ` +
    `${more} more would pass the limit of ${MOST_WAITING}. Wait for its answers in between`;
  throw error;
}

interface Serializer {
  serialize(value: unknown): Uint8Array;
  deserialize(bytes: Uint8Array): unknown;
}

/** `node:v8`, which both runtimes have: the structured clone algorithm, without a port to post to. */
function serializer(): Serializer {
  return threadProcess().getBuiltinModule("node:v8") as Serializer;
}

/**
 * A program's value as bytes. A handle becomes an object without anything in it, as by structuredClone;
 * shared memory inside the value is refused on Deno and copied on Bun, and views of it are copied on
 * both.
 *
 * @throws {TypeError} when it cannot be cloned: a function, a symbol, shared memory
 */
export function toBytes(value: unknown, what: string): Uint8Array {
  // Bun would copy it, and the two copies would share nothing.
  if (value instanceof SharedArrayBuffer) throw unclonable(value, what, "shared memory");
  try {
    return serializer().serialize(value);
  } catch (error) {
    throw unclonable(value, what, (error as Error).message);
  }
}

function unclonable(value: unknown, what: string, why: string): TypeError {
  return new TypeError(
    `${what} must be a value that can be cloned, as structuredClone does, got ${shown(value)}: ` +
      `${why}. Functions and shared memory stay on their thread`,
  );
}

/** The value that {@linkcode toBytes} made bytes of. */
export function fromBytes(bytes: Uint8Array): unknown {
  return serializer().deserialize(bytes);
}

/** How many bytes say how long the state is. */
const LENGTH_BYTES = 4;

/**
 * What goes with a connection, as bytes.
 *
 * @param undelivered what is carried behind the luggage's own
 * @throws {TypeError} when it is no luggage, or the state cannot be cloned
 */
export function packed(
  luggage: ConnLuggage,
  what: string,
  undelivered: Uint8Array = NOTHING,
): Uint8Array<ArrayBuffer> {
  const { carry = NOTHING, state } = checkOptions(luggage, `${what}: what goes with it`);
  const bytes = checkBytes(carry, `${what}: carry`);
  const cloned = state === undefined ? NOTHING : toBytes(state, `${what}: the state`);
  const end = LENGTH_BYTES + cloned.byteLength;
  const all = new Uint8Array(
    new ArrayBuffer(end + bytes.byteLength + undelivered.byteLength),
  );
  new DataView(all.buffer).setUint32(0, cloned.byteLength);
  all.set(cloned, LENGTH_BYTES);
  all.set(bytes, end);
  all.set(undelivered, end + bytes.byteLength);
  return all;
}

/** The luggage that {@linkcode packed} made bytes of. */
export function unpacked(bytes: Uint8Array): { carry: Uint8Array; state: unknown } {
  const { buffer, byteOffset, byteLength } = bytes;
  const end = LENGTH_BYTES + new DataView(buffer, byteOffset, byteLength).getUint32(0);
  const state = end === LENGTH_BYTES ? undefined : fromBytes(bytes.slice(LENGTH_BYTES, end));
  return { carry: bytes.subarray(end), state };
}

/** An error as bytes: its class is one of this library's there again, or Error. It never throws. */
export function errorBytes(thrown: unknown): Uint8Array {
  try {
    return toBytes(fieldsOf(thrown), "an error");
  } catch {
    return toBytes({ name: "", message: readable(thrown) }, "an error");
  }
}

function fieldsOf(thrown: unknown): object {
  if (!(thrown instanceof Error)) return { name: "", message: String(thrown) };
  const { name, message, stack = "" } = thrown;
  const { fd, errno, syscall, pending, limit } = thrown as Partial<SyscallError & QueueFullError>;
  // As text, whatever a program has put there.
  const text = { name: `${name}`, message: `${message}`, stack: `${stack}` };
  return { ...text, fd, errno, syscall, pending, limit };
}

/** What was thrown, when it cannot be taken apart or cloned. */
function readable(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return "something was thrown that has no text";
  }
}

interface ErrorFields {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly fd: number;
  readonly errno: number;
  readonly syscall: string;
  readonly pending: number;
  readonly limit: number;
}

const CLASSES: Readonly<Record<string, (fields: ErrorFields) => Error>> = {
  SyscallError: ({ syscall, errno, fd }) => new SyscallError(syscall, errno, fd),
  QueueFullError: ({ pending, limit }) => new QueueFullError(0, pending, limit),
  UnknownFDError: ({ fd }) => new UnknownFDError(fd),
  ClosedError: () => new ClosedError("the handle"),
  TypeError: () => new TypeError(),
  RangeError: () => new RangeError(),
};

/** The error that {@linkcode errorBytes} made bytes of, with the stack that it had on its thread. */
export function errorOf(bytes: Uint8Array): Error {
  const fields = fromBytes(bytes) as ErrorFields;
  // A name such as "toString" is none of them.
  const error = Object.hasOwn(CLASSES, fields.name) ? CLASSES[fields.name]!(fields) : new Error();
  error.message = fields.message;
  if (fields.stack) error.stack = fields.stack;
  const isClass = error.name === fields.name || fields.name === "";
  if (!isClass) Object.defineProperty(error, "name", { value: fields.name, configurable: true });
  return error;
}
