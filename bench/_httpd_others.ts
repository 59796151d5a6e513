/**
 * A file server as one writes it with what the runtime brings: `own` is Bun.serve or Deno.serve, `node`
 * is node:http. They send a Content-Type and a length, and look at the file for every request.
 *
 * @module
 */

import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import process from "node:process";

interface Bun {
  file(path: string): Blob;
  serve(options: {
    port: number;
    hostname: string;
    fetch(request: Request): Response | Promise<Response>;
  }): { readonly port: number };
}

interface Deno {
  open(path: string): Promise<{
    readonly readable: ReadableStream<Uint8Array>;
    stat(): Promise<{ readonly size: number }>;
  }>;
  serve(
    options: { port: number; hostname: string; onListen(address: { port: number }): void },
    handler: (request: Request) => Promise<Response>,
  ): unknown;
}

const [which, dir] = process.argv.slice(-2) as [string, string];
const runtime = globalThis as unknown as { readonly Bun?: Bun; readonly Deno?: Deno };
const type = "application/octet-stream";
const hostname = "127.0.0.1";

const fileOf = (url: string): string => path.join(dir, path.normalize(new URL(url).pathname));
const say = (port: number): void => console.log(`http://${hostname}:${port}/`);

function serveByBun({ file, serve }: Bun): void {
  const { port } = serve({
    port: 0,
    hostname,
    fetch: ({ url }) => new Response(file(fileOf(url)), { headers: { "Content-Type": type } }),
  });
  say(port);
}

function serveByDeno({ open, serve }: Deno): void {
  serve({ port: 0, hostname, onListen: ({ port }) => say(port) }, async ({ url }) => {
    const file = await open(fileOf(url));
    const { size } = await file.stat();
    const headers = { "Content-Type": type, "Content-Length": String(size) };
    return new Response(file.readable, { headers });
  });
}

function serveByNode(): void {
  const server = http.createServer(({ url }, response) => {
    const name = fileOf(`http://x${url}`);
    fs.stat(name, (error, stat) => {
      if (error !== null) return void response.writeHead(404).end();
      response.writeHead(200, { "Content-Type": type, "Content-Length": stat.size });
      fs.createReadStream(name).pipe(response);
    });
  });
  server.listen(0, hostname, () => say((server.address() as { port: number }).port));
}

if (which === "node") serveByNode();
else if (runtime.Bun !== undefined) serveByBun(runtime.Bun);
else serveByDeno(runtime.Deno!);
