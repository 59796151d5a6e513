import { assert, assertLess } from "@std/assert";
import { heapDelta } from "../heap_delta.ts";
import { root, test } from "../support.ts";

/** Bytes that a turn leaves on the heap in which so many connections each echo a message. */
async function bytesPerTurn(connections: number): Promise<number> {
  const { measured, control } = await heapDelta({
    setup: `
      import { socketPair } from "${root}handles/pipe.ts";
      import { ConnTable } from "${root}loop/conn_table.ts";
      import { Core } from "${root}loop/core.ts";
      import { defaultPoller } from "${root}loop/default_poller.ts";
      const core = new Core(defaultPoller());
      const table = new ConnTable(core);
      const ends = Array.from({ length: ${connections} }, () => {
        const { left, right } = socketPair();
        table.register(left, { onRecv: (bytes, conn) => void conn.write(bytes) }, {});
        return right;
      });
      const message = new Uint8Array(new ArrayBuffer(64));
      const echo = new Uint8Array(new ArrayBuffer(64));`,
    call: `
      for (const end of ends) end.write(message);
      core.turn(0);
      for (const end of ends) if (end.read(echo) !== 64) throw new Error("no echo");`,
    calls: 15_000,
  });
  assert(control >= 8, `the measurement is blind: ${control} bytes for an object`);
  return measured;
}

// The smallest thing that a message could leave is 8 bytes.
test("I18 C06 a message that is received and answered allocates nothing, whatever the turn costs", async () => {
  const [one, nine] = await Promise.all([bytesPerTurn(1), bytesPerTurn(9)]);
  assertLess((nine - one) / 8, 4, `bytes a message: ${nine} with nine, ${one} with one`);
});

// A pipe gives back room page by page, so that each turn is one step of the file.
test("C29 a step of a file allocates nothing, whatever the turn costs", async () => {
  const bytesPerTurn = async (pipes: number): Promise<number> => {
    const { measured, control } = await heapDelta({
      setup: `
        import { MemFD } from "${root}handles/mem_fd.ts";
        import { pipe } from "${root}handles/pipe.ts";
        import { ConnTable } from "${root}loop/conn_table.ts";
        import { Core } from "${root}loop/core.ts";
        import { EpollPoller } from "${root}loop/poller_epoll.ts";
        const core = new Core(new EpollPoller());
        const table = new ConnTable(core);
        const file = MemFD.create("endless");
        file.truncate(2 ** 40);
        const ends = Array.from({ length: ${pipes} }, () => {
          const { reader, writer } = pipe();
          void table.register(writer, { onRecv() {} }, {}).sendfile(file);
          return reader;
        });
        const page = new Uint8Array(new ArrayBuffer(4096));`,
      call: `
        for (const end of ends) if (end.read(page) !== 4096) throw new Error("no page");
        core.turn(0);`,
      calls: 15_000,
    });
    assert(control >= 8, `the measurement is blind: ${control} bytes for an object`);
    return measured;
  };
  // A turn with more than one report looks at the clock once more, which is a number on V8's heap.
  const [two, six] = await Promise.all([bytesPerTurn(2), bytesPerTurn(6)]);
  assertLess((six - two) / 4, 4, `bytes a step: ${six} with six, ${two} with two`);
});
