import { assertEquals } from "@std/assert";
import { EventFD } from "../handles/event_fd.ts";
import { ring } from "../handles/ring.ts";
import { test } from "./support.ts";

test("R08 ringing adds one to an eventfd, and does not wait where it is full", () => {
  using bell = EventFD.create();
  ring(bell.raw);
  ring(bell.raw);
  assertEquals(bell.wait(), 2n);
  bell.signal(2n ** 64n - 2n);
  ring(bell.raw);
  assertEquals(bell.wait(), 2n ** 64n - 2n);
});
