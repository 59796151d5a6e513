import { assert, assertEquals } from "@std/assert";
import { spread } from "../../bench/_statistics.ts";
import type { LoadReport } from "../http_load.ts";
import {
  assertAllGone,
  directed,
  type DirectedServer,
  folder,
  load,
  loadSeconds,
  note,
  total,
  wrk,
} from "../httpd_fixture.ts";
import { hasCommand, test, waitUntil } from "../support.ts";

const SIZES = [1, 700, 20_000, 300_000];
const LOAD = { stayers: 8, comers: 8, depth: 8, sizes: SIZES };
const TIMES = 50;
const options = { timeoutMs: loadSeconds * 1000 + 60_000 };

/** wrk beside the load that checks, where there is one: how many of its requests were answered. */
const alsoWrk = (port: number): Promise<number> =>
  hasCommand("wrk") ? wrk(`http://127.0.0.1:${port}/1.bin`, 16, loadSeconds) : Promise.resolve(0);

/** Waits until so many connections are open: those that come later may be turned away. */
const opened = (server: DirectedServer, count: number): Promise<void> =>
  waitUntil(
    async () => total(await server.tell({ order: "tell" }), "open") >= count,
    10_000,
    "clients",
  );

/** How many connections the server has ended although they had requests. */
const ends = ({ cut, cutInside, resetAtOnce, resetLater }: LoadReport): number =>
  cut + cutInside + resetAtOnce + resetLater;

/** What a server does under load, during which no client may see an error. */
async function undisturbed(
  body: (server: DirectedServer) => Promise<void>,
  mayTurnAway: boolean,
): Promise<void> {
  using dir = folder(...SIZES);
  await using server = await directed(dir.path);
  const other = alsoWrk(server.port);
  await opened(server, hasCommand("wrk") ? 16 : 0);
  await using visitors = await load({ port: server.port, ...LOAD });
  await opened(server, LOAD.stayers);
  await body(server);
  const others = await other;
  const report = await visitors.finish();
  note(report, `wrk: ${others}`);
  assertEquals(ends(report), 0, JSON.stringify(report));
  if (!mayTurnAway) assertEquals([report.refused, report.turnedAway, report.retried], [0, 0, 0]);
  const answered = total(await server.tell({ order: "tell" }), "requests");
  const uncounted = answered - report.answered - others;
  // wrk leaves with an answer on its way to each of its connections.
  assert(uncounted >= 0 && uncounted <= (others > 0 ? 16 : 0), `${uncounted} answers too many`);
  await assertAllGone(server);
  await server.finish();
}

test("C24 C25 httpd: pausing 50 times under load loses, doubles and resets nothing", () =>
  // Who connects while it pauses is refused or reads the end of the stream; nobody else is ended.
  undisturbed(async (server) => {
    const between = loadSeconds * 1000 / TIMES;
    const { pauses, resumptions, wrong, looks } = await server.tell({
      order: "pause",
      times: TIMES,
      between,
    });
    note(`ms: pause ${spread(pauses)}, resume ${spread(resumptions)}; ${looks} looks at metrics`);
    assertEquals([pauses.length, wrong], [TIMES, []]);
  }, true), options);

test(
  "C30 httpd: connections that move 50 times and back under load lose and double nothing",
  () =>
    undisturbed(async (server) => {
      const between = loadSeconds * 1000 / TIMES / 2;
      const { moves, wrong } = await server.tell({ order: "move", times: TIMES, between });
      assertEquals([moves.length, wrong], [TIMES, []]);
      const [there, back] = [0, 1].map((way) => moves.reduce((sum, move) => sum + move[way]!, 0));
      note(`moved ${there} there and ${back} back`);
      assert(there! >= TIMES && back! >= TIMES, `moved ${there} and ${back}`);
    }, false),
  options,
);

test("httpd: the death of a worker under load ends its own connections and no other", async () => {
  using dir = folder(...SIZES);
  await using server = await directed(dir.path);
  await using visitors = await load({ port: server.port, ...LOAD });
  await server.tell({ order: "pause", times: 1, between: loadSeconds * 500 });
  const died = await server.tell({ order: "die", worker: 0 });
  assertEquals(died.deaths.length, 1);
  const later = await server.tell({ order: "pause", times: 1, between: loadSeconds * 500 });
  assert(total(later, "requests") > total(died, "requests"), "nobody is served after the death");
  const report = await visitors.finish();
  note(report);
  // A connection of the worker may end anywhere, or be reset where it had unread requests. What it has
  // not answered was asked again, and answered.
  assert(ends(report) <= LOAD.stayers + LOAD.comers, JSON.stringify(report));
  assertEquals(later.metrics[0]!.deaths, 1);
  await assertAllGone(server);
  await server.finish();
}, options);
