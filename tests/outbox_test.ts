import { assertEquals } from "@std/assert";
import { MemFD } from "../handles/mem_fd.ts";
import type { Channel } from "../loop/channel.ts";
import { Core } from "../loop/core.ts";
import { FileJob, type SendfileOptions } from "../loop/file_job.ts";
import { Outbox, type Sender } from "../loop/outbox.ts";
import { MemoryPoller } from "../loop/poller_memory.ts";
import { test } from "./support.ts";

const MiB = 1024 * 1024;

/** An outbox before a channel that takes everything, which notes how much it is asked to take. */
function openOutbox(): { outbox: Outbox; core: Core; asked: number[] } {
  const asked: number[] = [];
  const take = (count: number): number => {
    asked.push(count);
    return count;
  };
  const channel: Channel = {
    reads: false,
    writes: true,
    carry: null,
    write: ({ byteLength }) => take(byteLength),
    writeMore: ({ byteLength }) => take(byteLength),
    sendFile: (_file, _offset, most) => take(most),
    wantReadable() {},
    wantWritable() {},
    endWriting() {},
    detach() {},
  };
  const sender: Sender = { drained() {}, writeEnded() {}, failed() {}, cutShort() {} };
  const core = new Core(new MemoryPoller(true));
  return { outbox: new Outbox(core, -1, channel, sender, null, 0), core, asked };
}

test("C29 headers and a file of 1 MiB leave in one turn, longer files in parts of 1 MiB", async () => {
  using file = MemFD.create("outbox");
  file.truncate(4 * MiB);
  const { outbox, core, asked } = openOutbox();
  const send = (options: SendfileOptions): Promise<number> =>
    outbox.sendFile(new FileJob(file, options, "outbox"));

  const page = send({ headers: new Uint8Array(200), length: MiB });
  assertEquals([asked, outbox.isEmpty], [[200, MiB], true]);
  assertEquals(await page, MiB);

  core.counters.turns++;
  asked.length = 0;
  const video = send({ headers: new Uint8Array(200), length: 2 * MiB - 1 });
  assertEquals([asked, outbox.isEmpty], [[200, MiB], false]);
  core.counters.turns++;
  outbox.resume();
  assertEquals([asked, outbox.isEmpty], [[200, MiB, MiB - 1], true]);
  assertEquals(await video, 2 * MiB - 1);
});
