import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { content } from "../http_content.ts";
import { folder, httpd, loadSeconds, note, RawClient, run, wrk } from "../httpd_fixture.ts";
import { hasCommand, tempDir, test } from "../support.ts";

/** The last status line, and the headers behind it, of what `curl -i` has printed. */
function answered(printed: string): { status: number; header(name: string): string | undefined } {
  const [head] = printed.split("\r\n\r\n");
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head!)![1]),
    header: (name) => new RegExp(`^${name}: (.*)$`, "im").exec(head!)?.[1]?.trim(),
  };
}

const withCurl = (name: string, body: () => Promise<void>): void =>
  test.if(hasCommand("curl"), "there is no curl to be the client", name, body);

withCurl("C29 httpd: curl gets whole files, ranges of them, and their heads", async () => {
  using dir = folder(0, 1000, 3_000_000);
  await using server = await httpd(dir.path);
  const url = (file: number): string => `http://127.0.0.1:${server.port}/${file}.bin`;
  for (const [seed, size] of [0, 1000, 3_000_000].entries()) {
    await run("curl", ["-sSf", "-o", `${dir.path}/got`, url(seed)]);
    assertEquals(Buffer.compare(fs.readFileSync(`${dir.path}/got`), content(seed, size)), 0);
  }
  const whole = content(2, 3_000_000);
  const ranges = [["0-0", 0, 1], ["999-", 999, 3_000_000], ["-7", 2_999_993, 3_000_000], [
    "2999999-99999999",
    2_999_999,
    3_000_000,
  ]] as const;
  for (const [range, from, to] of ranges) {
    const printed = await run("curl", [
      "-sSi",
      "-o",
      `${dir.path}/got`,
      "-D",
      "-",
      "-r",
      range,
      url(2),
    ]);
    const { status, header } = answered(printed);
    assertEquals([status, header("content-range")], [206, `bytes ${from}-${to - 1}/3000000`]);
    const got = fs.readFileSync(`${dir.path}/got`);
    assertEquals(
      Buffer.compare(got.subarray(got.indexOf("\r\n\r\n") + 4), whole.subarray(from, to)),
      0,
    );
  }
  const beyond = answered(await run("curl", ["-sSi", "-r", "3000000-", url(2)]));
  assertEquals([beyond.status, beyond.header("content-range")], [416, "bytes */3000000"]);
  const head = await run("curl", ["-sSI", url(1)]);
  assertEquals([answered(head).status, answered(head).header("content-length")], [200, "1000"]);
  assert(head.endsWith("\r\n\r\n"));
});

withCurl("httpd: curl asks whether a file has changed, and keeps its connection", async () => {
  using dir = folder(5000);
  await using server = await httpd(dir.path);
  const url = `http://127.0.0.1:${server.port}/0.bin`;
  const ask = async (...headers: string[]): Promise<ReturnType<typeof answered>> =>
    answered(
      await run("curl", [
        "-sSi",
        "-o",
        "/dev/null",
        "-D",
        "-",
        url,
        ...headers.flatMap((h) => ["-H", h]),
      ]),
    );
  const { header } = await ask();
  const [etag, date] = [header("etag")!, header("last-modified")!];
  const later = new Date(Date.parse(date) + 1000).toUTCString();
  const earlier = new Date(Date.parse(date) - 1000).toUTCString();
  for (
    const [status, ...headers] of [
      [304, `If-None-Match: ${etag}`],
      [304, `If-None-Match: "x", W/${etag}`],
      [304, "If-None-Match: *"],
      [200, 'If-None-Match: "x"', `If-Modified-Since: ${later}`],
      [304, `If-Modified-Since: ${date}`],
      [304, `If-Modified-Since: ${later}`],
      [200, `If-Modified-Since: ${earlier}`],
      [200, "If-Modified-Since: yesterday"],
      [206, "Range: bytes=1-2", `If-Range: ${etag}`],
      [206, "Range: bytes=1-2", `If-Range: ${date}`],
      [200, "Range: bytes=1-2", 'If-Range: "x"'],
      [200, "Range: bytes=1-2, 4-5"],
      [200, "Range: bytes=2-1"],
      [200, "Range: lines=1-2"],
    ] as const
  ) assertEquals((await ask(...headers)).status, status, headers.join(", "));
  const connects = await run("curl", [
    ...["-sS", "-w", "%{num_connects} %{http_code}\n", "-o", "/dev/null", "-o", "/dev/null", "-o"],
    ...["/dev/null", url, `${url}?again`, `http://127.0.0.1:${server.port}/none`],
  ]);
  assertEquals(connects, "1 200\n0 200\n0 404\n");
});

test("httpd: what lies beyond the folder, hidden or strange is not served", async () => {
  using dir = tempDir();
  const site = `${dir.path}/site`;
  fs.mkdirSync(`${site}/sub/deep`, { recursive: true });
  fs.mkdirSync(`${dir.path}/site2`);
  for (const name of ["secret.txt", "site2/secret.txt", "site/.hidden", "site/a b%.txt"]) {
    fs.writeFileSync(`${dir.path}/${name}`, "x");
  }
  fs.writeFileSync(`${site}/index.html`, "front");
  fs.writeFileSync(`${site}/sub/index.html`, "sub");
  for (const target of ["../secret.txt", "../site2/secret.txt", "..", "sub", "nowhere"]) {
    fs.symlinkSync(target, `${site}/to ${target.replaceAll(/[^a-z0-9]/g, "")}`);
  }
  execFileSync("mkfifo", [`${site}/fifo`]);
  await using server = await httpd(site);
  using client = new RawClient(server.port);
  for (
    const [path, status, body] of [
      ["/", 200, "front"],
      ["/index.html?query=/../x#y", 200, "front"],
      ["//sub//index.html", 200, "sub"],
      [`http://example.org/sub/`, 200, "sub"],
      ["/a%20b%25.txt", 200, "x"],
      ["/to%20sub/index.html", 200, "sub"],
      ["/sub", 301],
      ["//example.org/../sub", 404],
      ["/sub/deep/", 404],
      ["/index.html/", 404],
      ["/none", 404],
      ["/fifo", 404],
      ["/.hidden", 404],
      ["/../secret.txt", 404],
      ["/sub/%2e%2e/%2E%2e/secret.txt", 404],
      ["/sub/..%2f..%2fsecret.txt", 400],
      ["/index.html%00.png", 400],
      ["/%", 400],
      ["*", 400],
      ["/to%20secrettxt", 404],
      ["/to%20site2secrettxt", 404],
      ["/to%20/secret.txt", 404],
      ["/to%20/site/index.html", 200, "front"],
      ["/to%20nowhere", 404],
      [`/${"a".repeat(3000)}`, 404],
    ] as const
  ) {
    const answer = await client.get(path).answer();
    assertEquals([path, answer.status], [path, status]);
    if (body !== undefined) assertEquals(answer.body.toString(), body);
    if (status === 301) assertEquals(answer.headers.get("location"), "/sub/");
  }
});

test("httpd: what is no request of HTTP/1.1 for a file gets the right status", async () => {
  using dir = folder(10);
  await using server = await httpd(dir.path);
  const host = "Host: x\r\n";
  for (
    const [request, status, ends] of [
      ["nonsense\r\n\r\n", 400, true],
      ["GET / HTTP/1.1\r\n\r\n", 400, false],
      [`GET /0.bin HTTP/2.0\r\n${host}\r\n`, 505, true],
      [`DELETE /0.bin HTTP/1.1\r\n${host}\r\n`, 405, false],
      [
        `POST /0.bin HTTP/1.1\r\n${host}Content-Length: 30\r\n\r\nGET /0.bin HTTP/1.1\r\n${host}\r\n`,
        405,
        true,
      ],
      [`GET /0.bin HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 413, true],
      [`GET /0.bin HTTP/1.1\r\n${host}Content-Length: x\r\n\r\n`, 413, true],
      [`GET /${"a".repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, 431, true],
      [`GET / HTTP/1.1\r\n${host}${"X-Long: y\r\n".repeat(2000)}\r\n`, 431, true],
      [`GET /0.bin HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, 200, true],
      ["GET /0.bin HTTP/1.0\r\n\r\n", 200, true],
      ["GET /0.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false],
      [`GET /0.bin HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`, 200, false],
    ] as const
  ) {
    using client = new RawClient(server.port);
    const answer = await client.say(request).answer();
    assertEquals([request.slice(0, 60), answer.status], [request.slice(0, 60), status]);
    if (status === 405) assertEquals(answer.headers.get("allow"), "GET, HEAD");
    assertEquals(answer.headers.get("connection") === "close", ends);
    if (!ends) {
      assertEquals((await client.get("/0.bin").answer()).status, 200);
      client.finish();
    }
    assertEquals(await client.end(), "end");
  }
});

test("httpd: pipelined requests are answered in order, however they are cut", async () => {
  const sizes = [1, 100, 5000, 70_000, 300_000];
  using dir = folder(...sizes);
  await using server = await httpd(dir.path);
  using client = new RawClient(server.port, "pause");
  const order = Array.from({ length: 200 }, (_, index) => (index * 7) % 6);
  client.get(...order.map((file) => `/${file}.bin`)); // there is no 5.bin
  for (const file of order) {
    const { status, body } = await client.answer();
    assertEquals([status, body.length], file === 5 ? [404, 14] : [200, sizes[file]]);
    if (file !== 5) assertEquals(Buffer.compare(body, content(file, sizes[file]!)), 0);
  }
  for (const letter of "GET /1.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=5-5\r\n\r\n") {
    client.say(letter);
  }
  assertEquals((await client.answer()).body, content(1, 100).subarray(5, 6));
  client.get("/3.bin", "/none", "/4.bin").finish();
  assertEquals((await client.answer()).body.length, 70_000);
  assertEquals((await client.answer()).status, 404);
  assertEquals((await client.answer()).body.length, 300_000);
  assertEquals(await client.end(), "end");
});

test("C29 httpd: a file that gets shorter while it is sent ends its connection, and no other", async () => {
  using dir = folder(20_000_000, 10);
  await using server = await httpd(dir.path);
  using client = new RawClient(server.port, "pause");
  using other = new RawClient(server.port, "pause");
  client.get("/0.bin", "/1.bin");
  // It is being sent once the client has the head of it.
  await client.begun();
  fs.truncateSync(`${dir.path}/0.bin`, 1000);
  // The rest never comes, and nothing else in its place.
  await assertRejects(() => client.answer(), Error, "the connection ended");
  assertEquals((await other.get("/0.bin", "/1.bin").answer()).body.length, 1000);
  assertEquals((await other.answer()).body, content(1, 10));
});

test("C32 httpd: at SIGTERM answers under way are finished, idle connections end", async () => {
  using dir = folder(20_000_000, 10);
  const server = await httpd(dir.path);
  await using _server = server;
  using idle = new RawClient(server.port);
  assertEquals((await idle.get("/1.bin").answer()).status, 200);
  using busy = new RawClient(server.port, "pause");
  using half = new RawClient(server.port);
  busy.get("/0.bin");
  half.get("/1.bin");
  await half.answer();
  half.say("GET /1.bin HTTP/1.1\r\nHo");
  // Everything before has arrived when this is answered, at both workers.
  for (let round = 0; round < 10; round++) {
    using client = new RawClient(server.port);
    await client.get("/1.bin").answer();
  }
  server.kill("SIGTERM");
  assertEquals(await idle.end(), "end");
  idle.finish();
  const last = await half.say("st: x\r\n\r\n").answer();
  assertEquals([last.status, last.headers.get("connection")], [200, "close"]);
  assertEquals(await half.end(), "end");
  half.finish();
  assertEquals((await busy.answer()).body.length, 20_000_000);
  assertEquals(await busy.end(), "end");
  busy.finish();
  const { code, stdout, stderr } = await server.result;
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "served 14 requests on 13 connections");
});

test.if(
  hasCommand("python3"),
  "there is no python3 to be the client",
  "httpd: python's http.client gets what it asks for, on one connection",
  async () => {
    using dir = folder(10, 5000, 200_000);
    await using server = await httpd(dir.path);
    const printed = await run("python3", [
      "-c",
      `
import http.client, sys
conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
conn.connect()
sock = conn.sock
for turn in range(100):
    name = f"{turn % 3}.bin"
    data = open(f"{sys.argv[2]}/{name}", "rb").read()
    begin, end = turn * 3 % len(data), turn * 3 % len(data) + 1 + turn
    headers = {} if turn % 2 else {"Range": f"bytes={begin}-{end}"}
    conn.request("HEAD" if turn % 5 == 0 else "GET", f"/{name}", headers=headers)
    answer = conn.getresponse()
    body = answer.read()
    want = b"" if turn % 5 == 0 else data if turn % 2 else data[begin:end + 1]
    assert body == want, (turn, answer.status, len(body), len(want))
    assert conn.sock is sock
print("right")
`,
      String(server.port),
      dir.path,
    ]);
    assertEquals(printed.trim(), "right");
  },
);

test.if(
  hasCommand("wrk"),
  "there is no wrk to be the client: apt-get install wrk",
  `C20 httpd: ${loadSeconds} s of wrk on two workers, without an error`,
  async () => {
    using dir = folder(1000, 100_000);
    await using server = await httpd(dir.path);
    const url = (file: number): string => `http://127.0.0.1:${server.port}/${file}.bin`;
    const answered = await Promise.all([
      wrk(url(0), 64, loadSeconds),
      wrk(url(1), 16, loadSeconds),
    ]);
    note(`wrk on two workers, 1 KB and 100 KB at once, in ${loadSeconds} s:`, answered);
    for (const count of answered) assert(count > 100 * loadSeconds, `${answered}`);
  },
  { timeoutMs: loadSeconds * 1000 + 30_000 },
);
