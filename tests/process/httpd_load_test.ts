import { assert, assertEquals } from "@std/assert";
import type { LoadReport } from "../http_load.ts";
import { directed, type DirectedServer, folder, load, loadSeconds, wrk } from "../httpd_fixture.ts";
import { hasCommand, test, waitUntil } from "../support.ts";

const SIZES = [1, 700, 20_000, 300_000];
const LOAD = { stayers: 8, comers: 8, depth: 8, sizes: SIZES };
const PAUSES = 50;
const options = { timeoutMs: loadSeconds * 1000 + 60_000 };

/** wrk beside the load that checks, where there is one: how many of its requests were answered. */
const alsoWrk = (port: number): Promise<number> =>
  hasCommand("wrk") ? wrk(`http://127.0.0.1:${port}/1.bin`, 16, loadSeconds) : Promise.resolve(0);

/** Waits until so many connections are open: those that come later may be turned away. */
const opened = (server: DirectedServer, count: number): Promise<void> =>
  waitUntil(
    async () => (await server.tell({ order: "tell" })).metrics.total.open >= count,
    10_000,
    "clients",
  );

/** How many connections the server has ended although they had requests. */
const ends = ({ cut, cutInside, resetAtOnce, resetLater }: LoadReport): number =>
  cut + cutInside + resetAtOnce + resetLater;

test("C24 C25 httpd: under load, pausing 50 times loses, doubles and resets nothing", async () => {
  using dir = folder(...SIZES);
  await using server = await directed(dir.path);
  const other = alsoWrk(server.port);
  await opened(server, hasCommand("wrk") ? 16 : 0);
  await using visitors = await load({ port: server.port, ...LOAD });
  await opened(server, LOAD.stayers);
  const between = loadSeconds * 1000 / PAUSES;
  const { pauses, wrong } = await server.tell({ order: "pause", times: PAUSES, between });
  assertEquals([pauses.length, wrong], [PAUSES, []]);
  const others = await other;
  const report = await visitors.finish();
  assertEquals(ends(report), 0);
  const { metrics } = await server.tell({ order: "tell" });
  const uncounted = metrics.total.requests - report.answered - others;
  // wrk leaves with an answer on its way to each of its connections.
  assert(uncounted >= 0 && uncounted <= (others > 0 ? 16 : 0), `${uncounted} answers too many`);
  await server.finish();
}, options);

test("httpd: under load, the death of a worker ends its own connections and no other", async () => {
  using dir = folder(...SIZES);
  await using server = await directed(dir.path);
  await using visitors = await load({ port: server.port, ...LOAD });
  await server.tell({ order: "pause", times: 1, between: loadSeconds * 500 });
  const { deaths } = await server.tell({ order: "die", worker: 0 });
  assertEquals(deaths.length, 1);
  const before = (await server.tell({ order: "tell" })).metrics.total.requests;
  await server.tell({ order: "pause", times: 1, between: loadSeconds * 500 });
  const report = await visitors.finish();
  // A connection of the worker may end anywhere, or be reset where it had unread requests. What it has
  // not answered was asked again, and answered.
  assert(ends(report) <= LOAD.stayers + LOAD.comers, JSON.stringify(report));
  const { metrics, wrong } = await server.tell({ order: "tell" });
  assertEquals([metrics.deaths, wrong], [1, []]);
  assert(metrics.total.requests > before, "nobody was served after the death");
  await server.finish();
}, options);
