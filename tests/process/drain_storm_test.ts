// Listeners that are drained while other processes connect without a pause.

import { assert, assertEquals } from "@std/assert";
import { Socket } from "../../handles/socket.ts";
import { Loop } from "../../loop/loop.ts";
import { listening } from "../acceptor_fixture.ts";
import { readable } from "../probes.ts";
import { root, startScript, test } from "../support.ts";

const DRAINS = 100;
const STORMS = 2;

/** What became of the clients of a storm. */
type Counts = Record<string, number>;

/**
 * Connects, sends something and reads, one client after the other, until nobody has listened for a
 * while. A client whose SYN is not answered at once gives up, instead of repeating it after a second.
 */
const STORM = `
  import process from "node:process";
  import { Socket } from "${root}handles/socket.ts";
  import { outcome } from "${root}tests/acceptor_fixture.ts";
  import { writable } from "${root}tests/probes.ts";
  const counts = {};
  const address = process.argv[2];
  console.log("ready");
  for (let refused = 0; refused < 20_000;) {
    const client = Socket.connect(address);
    const answered = writable(client, 5);
    const error = client.error;
    const what = !answered ? "unanswered" : error === null ? read(client) : error.code;
    counts[what] = (counts[what] ?? 0) + 1;
    refused = what === "ECONNREFUSED" ? refused + 1 : 0;
    client.close();
  }
  function read(client) {
    if ((counts["FIN"] ?? 0) % 2 === 0) client.send(new Uint8Array(100));
    return outcome(client, 10_000);
  }
  console.log(JSON.stringify(counts));`;

test(
  "C24 drained in a storm of clients: whoever got in reads FIN, and nobody else got in",
  async () => {
    using loop = Loop.create();
    const first = Socket.listen("127.0.0.1:0", { reusePort: true });
    const { localAddress } = first;
    const { address, port } = localAddress as { address: string; port: number };
    await using storms = new AsyncDisposableStack();
    const scripts = Array.from(
      { length: STORMS },
      () => storms.use(startScript(STORM, { args: [`${address}:${port}`], timeoutMs: 60_000 })),
    );
    for (const script of scripts) {
      assertEquals(await script.line(), "ready");
    }
    let listener = first;
    let turnedAway = 0;
    for (let round = 1; round <= DRAINS; round++) {
      assert(readable(listener, 5000), "a client is in the backlog");
      const acceptor = loop.accept(listener, { onAccept() {} });
      turnedAway += acceptor.drain();
      if (round % 20 === 0) assertEquals(listening(localAddress), 0);
      if (round < DRAINS) listener = Socket.listen(localAddress, { reusePort: true });
    }
    const counts: Counts[] = [];
    for (const script of scripts) counts.push(JSON.parse(await script.line(40_000)) as Counts);
    const sum = (what: string): number => counts.reduce((all, one) => all + (one[what] ?? 0), 0);
    const seen = Object.keys(Object.assign({}, ...counts) as Counts).sort();
    const allowed = ["ECONNREFUSED", "FIN", "unanswered"];
    assertEquals(seen.filter((what) => !allowed.includes(what)), [], JSON.stringify(counts));
    assert(sum("FIN") >= DRAINS, JSON.stringify(counts));
    // One that gave up may have been let in just then.
    const late = turnedAway - sum("FIN");
    assert(late >= 0 && late <= sum("unanswered"), `${turnedAway}: ${JSON.stringify(counts)}`);
  },
  { timeoutMs: 60_000 },
);
