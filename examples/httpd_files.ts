/**
 * What examples/httpd.ts answers to a request: which file, or which part of it, with which headers.
 */

import fs from "node:fs";
import path from "node:path";
import process from "node:process";

/** A request, as the parser has found it. */
export interface Request {
  readonly method: string;
  /** What stands in its first line: a path, still encoded, and what follows `?`. */
  readonly url: string;
  readonly version: string;
  readonly keepAlive: boolean;
  /** Whether a body follows. It would be in the way of the next request: the connection ends then. */
  readonly hasBody: boolean;
  /** The names are in small letters. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What is sent for it. Without a file, the body is a line that names the status. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  /** An open file, which the receiver closes. */
  readonly file?: { readonly fd: number; readonly offset: number; readonly length: number };
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".gif": "image/gif",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".md": "text/markdown; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".mp4": "video/mp4",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".xml": "application/xml",
};

const { O_RDONLY, O_NONBLOCK } = fs.constants;

/** The working directory, which all threads of a process have in common. It has no symlink in it. */
const root = process.cwd().replace(/\/*$/, "/");

/** Finds the answer to a request. */
export function answer(request: Request): Answer {
  const { method, url, version, hasBody, headers } = request;
  if (!version.startsWith("1.")) return { status: 505 };
  if (version !== "1.0" && !headers.has("host")) return { status: 400 };
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, headers: { Allow: "GET, HEAD" } };
  }
  if (hasBody) return { status: 413 };
  const parts = segments(url);
  if (parts === null) return { status: 400 };
  // Hidden files are none of the world's business, and neither is what lies beyond "..".
  if (parts.some((part) => part.startsWith("."))) return { status: 404 };
  const name = parts.join("/");
  try {
    return open(request, name === "" || name.endsWith("/") ? `${name}index.html` : name);
  } catch (error) {
    return { status: STATUS_OF[(error as NodeJS.ErrnoException).code ?? ""] ?? 404 };
  }
}

const STATUS_OF: Readonly<Record<string, number>> = { EACCES: 403, EMFILE: 503, ENFILE: 503 };

/** The parts of a path, decoded; the last is empty for a directory. Null when it cannot be one. */
function segments(url: string): string[] | null {
  const encoded = url.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*/s, "");
  if (!encoded.startsWith("/")) return null;
  const last = encoded.lastIndexOf("/");
  try {
    const parts = encoded.split("/").map(decodeURIComponent);
    // A slash that was encoded belongs to a name, and no name has one; nor a zero.
    if (parts.some((part) => /[/\0]/.test(part))) return null;
    const names = parts.filter((part) => part !== "");
    return last === encoded.length - 1 && names.length > 0 ? [...names, ""] : names;
  } catch {
    return null; // a percent sign that nothing fits to
  }
}

/** Opens a file, and answers with it unless there is a reason not to. */
function open(request: Request, name: string): Answer {
  // Without blocking: a FIFO would wait for somebody who writes.
  const fd = fs.openSync(root + name, O_RDONLY | O_NONBLOCK);
  let answer: Answer | null = null;
  try {
    return answer = inspect(request, name, fd);
  } finally {
    if (answer?.file === undefined) fs.closeSync(fd);
  }
}

function inspect(request: Request, name: string, fd: number): Answer {
  // What was opened, and not what has the name by now: a symlink leads out of here only in vain.
  if (!`${fs.readlinkSync(`/proc/self/fd/${fd}`)}/`.startsWith(root)) return { status: 404 };
  const stat = fs.fstatSync(fd);
  if (stat.isDirectory() && !name.endsWith("/index.html")) {
    const location = `/${name.split("/").map(encodeURIComponent).join("/")}/`;
    return { status: 301, headers: { Location: location } };
  }
  if (!stat.isFile()) return { status: 404 };
  return ofFile(request, fd, stat.size, stat.mtimeMs, {
    "Content-Type": TYPES[path.extname(name).toLowerCase()] ?? "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
  });
}

function ofFile(
  { method, headers: asked }: Request,
  fd: number,
  size: number,
  mtime: number,
  type: Readonly<Record<string, string>>,
): Answer {
  const etag = `"${size.toString(36)}-${Math.floor(mtime).toString(36)}"`;
  const seconds = Math.floor(mtime / 1000) * 1000;
  const validators = { "Last-Modified": new Date(seconds).toUTCString(), ETag: etag };
  if (isUnchanged(asked, etag, seconds)) return { status: 304, headers: validators };
  const headers = { ...type, ...validators, "Accept-Ranges": "bytes" };
  const range = method === "GET" && isRangeValid(asked.get("if-range"), validators)
    ? parseRange(asked.get("range"), size)
    : null;
  if (range === "none") {
    return { status: 416, headers: { ...headers, "Content-Range": `bytes */${size}` } };
  }
  const { offset, length } = range ?? { offset: 0, length: size };
  const all = range === null
    ? headers
    : { ...headers, "Content-Range": `bytes ${offset}-${offset + length - 1}/${size}` };
  return { status: range === null ? 200 : 206, headers: all, file: { fd, offset, length } };
}

/** Whether the client has this version: by its tag, or else by its time. */
function isUnchanged(asked: ReadonlyMap<string, string>, etag: string, seconds: number): boolean {
  const tags = asked.get("if-none-match");
  if (tags === undefined) return Date.parse(asked.get("if-modified-since") ?? "") >= seconds;
  return tags.split(",").some((tag) => ["*", etag, `W/${etag}`].includes(tag.trim()));
}

function isRangeValid(
  condition: string | undefined,
  validators: Readonly<Record<string, string>>,
): boolean {
  return condition === undefined || Object.values(validators).includes(condition);
}

/** One range, "none" when the file has nothing of it, and null for all that is to be ignored. */
function parseRange(
  text: string | undefined,
  size: number,
): { offset: number; length: number } | "none" | null {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(text ?? "") ?? [];
  if (first === undefined || last === undefined || first + last === "") return null;
  if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
  const offset = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  return offset < end ? { offset, length: end - offset } : "none";
}
