/**
 * A static file server for HTTP/1.1 on all CPUs: keep-alive, pipelining, ranges, conditional requests,
 * and files that go from the page cache to the network by sendfile(2).
 *
 *     bun examples/httpd.ts [--host ADDRESS] [--port N] [--workers N] DIRECTORY
 *     deno run -A examples/httpd.ts DIRECTORY
 *
 * httpd_worker.ts is what each worker does with its connections, httpd_files.ts what is answered. The
 * requests are parsed by http-parser-js. SIGTERM ends it when the answers under way are out.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { Engine, formatAddress } from "@fdloop/fdloop";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8080" },
    workers: { type: "string" },
  },
});
process.chdir(positionals[0] ?? "."); // all threads have one working directory: it is what they serve

const engine = Engine.create({
  handler: new URL("./httpd_worker.ts", import.meta.url),
  address: `${values.host}:${values.port}`,
  ...(values.workers === undefined ? {} : { workers: Number(values.workers) }),
  conn: {
    maxBacklog: 1024 * 1024, // of headers and small answers: files do not count
    timeouts: { header: 10_000, idle: 60_000, write: 30_000 },
  },
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => void engine.shutdown({ deadline: 10_000 }));
}
await engine.listen();
console.log(`serving ${process.cwd()} at http://${formatAddress(engine.addr!)}/`);
await engine.closed;
const { requests, accepts } = engine.metrics().total;
console.log(`served ${requests} requests on ${accepts} connections`);
process.exit(0);
