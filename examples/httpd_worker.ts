/**
 * The worker of examples/httpd.ts: what it does with each connection.
 *
 * An answer is begun when the one before it has left. So they keep their order, none can take the place
 * of one that fails, and a client that asks and never reads costs one open file.
 */

import { Buffer } from "node:buffer";
import fs from "node:fs";
import { STATUS_CODES } from "node:http";
import { HTTPParser } from "http-parser-js";
import { type Connection, defineHandler, type EngineWorker } from "@fdloop/fdloop";
import { type Answer, answer, type Request } from "./httpd_files.ts";

/** The most bytes that the first line and the headers of a request may have. */
const MOST_HEADER_BYTES = 16 * 1024;

const NOTHING = Buffer.alloc(0);

const clients = new Map<Connection, Client>();
let worker: EngineWorker;
let closing = false;

export const { onStart, onOpen, onData, onDrain, onEnd, onClose, onShutdown } = defineHandler({
  onStart(_loop, self) {
    worker = self;
  },
  onOpen(conn) {
    clients.set(conn, new Client(conn));
  },
  onData(conn, bytes) {
    clients.get(conn)!.received(bytes);
  },
  onDrain(conn) {
    clients.get(conn)!.drained();
  },
  onEnd(conn) {
    clients.get(conn)!.ended();
  },
  onClose(conn) {
    clients.delete(conn);
  },
  onShutdown() {
    closing = true;
    for (const client of clients.values()) client.leave();
  },
});

HTTPParser.encoding = "latin1";
HTTPParser.maxHeaderSize = Infinity; // it would count the request before, too

/** One connection, and the requests that come on it. */
class Client {
  readonly #conn: Connection;
  readonly #parser = new HTTPParser(HTTPParser.REQUEST);
  /** What has come and is not parsed yet. */
  #input: Buffer = NOTHING;
  /** How much of the next request is parsed, and the request when that is all of it. */
  #headerBytes = 0;
  #request: Request | null = null;
  /** Whether the answer before is still on its way: a file, or bytes that the client does not take. */
  #sending = false;
  #blocked = false;
  #paused = false;
  /** Whether the client will ask no more, and whether it is answered no more. */
  #ended = false;
  #left = false;

  constructor(conn: Connection) {
    this.#conn = conn;
    this.#parser[HTTPParser.kOnHeadersComplete] = (info) => {
      const headers = headerMap(info.headers);
      this.#request = {
        method: HTTPParser.methods[info.method]!,
        url: info.url,
        version: `${info.versionMajor}.${info.versionMinor}`,
        keepAlive: info.shouldKeepAlive,
        hasBody: headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0",
        headers,
      };
      return 2; // leave what follows, until execute() is called again
    };
    conn.atBoundary();
  }

  received(bytes: Uint8Array): void {
    if (this.#left) return; // we have said goodbye, and wait for the client to do the same
    const more = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#input = this.#input.length === 0 ? more : Buffer.concat([this.#input, more]);
    this.#serve();
    if (this.#input.length === 0) return;
    this.#input = Buffer.from(this.#input); // the bytes are ours only until this returns
    this.#paused = true;
    this.#conn.pause();
  }

  drained(): void {
    this.#blocked = false;
    this.#serve();
  }

  /** The client has shut down its side: it still gets the answers to what it has asked. */
  ended(): void {
    this.#ended = true;
    this.#serve();
  }

  /** Ends an idle connection; in any other, the answer to come is the last. */
  leave(): void {
    if (!this.#busy && this.#headerBytes === 0) this.#end();
  }

  get #busy(): boolean {
    return this.#sending || this.#blocked;
  }

  /** Answers what has come, as far as the answers leave. */
  #serve(): void {
    while (!this.#busy && !this.#left && this.#input.length > 0) this.#parse();
    if (this.#busy || this.#left) return;
    if (this.#ended || (closing && this.#headerBytes === 0)) return this.#end();
    if (this.#headerBytes === 0) this.#conn.atBoundary();
    if (this.#paused) this.#conn.resume();
    this.#paused = false;
  }

  #parse(): void {
    if (this.#headerBytes === 0) this.#conn.expectHeader();
    const taken = this.#parser.execute(this.#input);
    if (typeof taken !== "number") return this.#send({ status: 400 }, true);
    this.#input = this.#input.subarray(taken);
    this.#headerBytes += taken;
    if (this.#headerBytes > MOST_HEADER_BYTES) return this.#send({ status: 431 }, true);
    const request = this.#request;
    if (request === null) return;
    this.#request = null;
    this.#headerBytes = 0;
    this.#conn.headerDone();
    this.#send(answer(request), request.hasBody || !request.keepAlive || closing, request);
  }

  #send({ status, headers = {}, file }: Answer, isLast: boolean, request?: Request): void {
    worker.countRequests();
    const reason = `${status} ${STATUS_CODES[status]}`;
    const line = file !== undefined || status === 304 ? "" : `${reason}\n`;
    let head = `HTTP/1.1 ${reason}\r\nDate: ${dateNow()}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (file === undefined && line !== "") head += "Content-Type: text/plain\r\n";
    if (status !== 304) head += `Content-Length: ${file?.length ?? line.length}\r\n`;
    if (isLast) head += "Connection: close\r\n";
    else if (request?.version === "1.0") head += "Connection: keep-alive\r\n";
    const isHead = request?.method === "HEAD";
    const bytes = Buffer.from(`${head}\r\n${isHead ? "" : line}`, "latin1");
    if (file !== undefined && file.length > 0 && !isHead) this.#sendFile(file, bytes);
    else {
      if (file !== undefined) fs.closeSync(file.fd);
      this.#blocked = !this.#conn.write(bytes);
    }
    if (isLast) this.#end();
  }

  #sendFile({ fd, offset, length }: NonNullable<Answer["file"]>, headers: Buffer): void {
    this.#sending = true;
    this.#conn.sendfile(fd, { offset, length, headers }).then(
      () => {
        this.#sending = false;
        fs.closeSync(fd);
        this.#serve();
      },
      () => {
        fs.closeSync(fd);
        this.#conn.unregister(); // broken, or the file got shorter: there is no right answer any more
      },
    );
  }

  /**
   * Says goodbye when all is sent. To close at once would be rude: what the client has sent meanwhile
   * would reset the connection, and take our last answer with it. It has as long for its own goodbye as
   * for a header.
   */
  #end(): void {
    this.#left = true;
    this.#input = NOTHING;
    this.#conn.end();
    this.#conn.expectHeader();
    if (this.#paused) this.#conn.resume();
    this.#paused = false;
  }
}

/** The headers by their names in small letters; those that come twice are one list. */
function headerMap(list: readonly string[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index]!.toLowerCase();
    const before = map.get(name);
    map.set(name, before === undefined ? list[index + 1]! : `${before}, ${list[index + 1]}`);
  }
  return map;
}

const date = { second: 0, text: "" };

/** The time as HTTP writes it, made once a second. */
function dateNow(): string {
  const second = Math.floor(Date.now() / 1000);
  if (date.second !== second) {
    date.second = second;
    date.text = new Date(second * 1000).toUTCString();
  }
  return date.text;
}
