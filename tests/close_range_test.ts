import { assertEquals, assertThrows } from "@std/assert";
import { closeRange } from "../handles/close_range.ts";
import { EventFD } from "../handles/event_fd.ts";
import { FD } from "../handles/fd.ts";
import { all, closing } from "./close_ranges.ts";
import { flagsOf } from "./probes.ts";
import { root, test } from "./support.ts";

/** Above every number that is open here, for calls that must close nothing. */
const FREE = 900_000;

test("X03 closeRange refuses numbers that are none, and the standard streams", () => {
  for (const bad of [0, 1, 2, -0, -1, 3.5, NaN, Infinity, 2 ** 32, 2 ** 53]) {
    assertThrows(() => closeRange(bad, FREE), RangeError, "closeRange: first");
  }
  for (const bad of [0, -1, FREE - 1, FREE + 0.5, NaN, -Infinity, 2 ** 32]) {
    assertThrows(() => closeRange(FREE, bad), RangeError, "closeRange: last");
  }
  for (const bad of [undefined, null, "3", 3n, {}, [3], true]) {
    assertThrows(() => closeRange(bad as never, FREE), TypeError, "closeRange: first");
    assertThrows(() => closeRange(FREE, bad as never), TypeError, "closeRange: last");
  }
  for (const bad of [null, 4, "cloexec", true]) {
    assertThrows(() => closeRange(FREE, FREE, bad as never), TypeError, "closeRange: options");
  }
  for (const name of ["cloexec", "unshare"]) {
    for (const bad of [null, 0, 1, "yes"]) {
      const options = { [name]: bad } as never;
      assertThrows(() => closeRange(FREE, FREE, options), TypeError, `closeRange: ${name}`);
    }
  }
});

test("X03 closeRange of numbers that nobody has does nothing", () => {
  using counter = EventFD.create();
  for (const last of [FREE, FREE + 1, 2 ** 31, 2 ** 32 - 1, Infinity]) {
    assertEquals(closeRange(FREE, last), undefined);
    assertEquals(closeRange(FREE, last, { cloexec: true }), undefined);
  }
  closeRange(2 ** 32 - 1, 2 ** 32 - 1);
  assertEquals(counter.signal(), true);
});

test("X03 closeRange with cloexec marks what is there, up to the last number, and closes nothing", () => {
  using counter = EventFD.create();
  using source = FD.duplicate(counter.raw);
  using below = source.dup(3000);
  using first = source.dup(3001);
  using last = source.dup(3003);
  using above = source.dup(3004);
  const handles = [below, first, last, above];
  for (const handle of handles) handle.setCloexec(false);
  closeRange(first.raw, last.raw, { cloexec: true });
  assertEquals(handles.map((handle) => flagsOf(handle).cloexec), [false, true, true, false]);
  closeRange(below.raw, Infinity, { cloexec: true });
  assertEquals(handles.map((handle) => handle.cloexec), [true, true, true, true]);
});

test("X03 closeRange closes what is in the range, ends included, and nothing else", async () => {
  const found = await closing(`
    const numbers = open(6);
    closeRange(numbers[1], numbers[4]);
    found = state(numbers);
  `);
  assertEquals(found, ["open", ...all("closed", 4), "open"]);
});

test("X03 closeRange with Infinity closes all from a number on", async () => {
  const found = await closing(`
    const numbers = [...open(2), ...open(2, 9000), ...open(1, 19_000)];
    closeRange(numbers[1], Infinity);
    found = state(numbers);
  `);
  assertEquals(found, ["open", ...all("closed", 4)]);
});

test("X03 a handle whose number was closed by closeRange says EBADF, as its documentation does", async () => {
  const found = await closing(`
    const [number] = open(1);
    const { FD } = await import(new URL("handles/fd.ts", ${JSON.stringify(root)}));
    const handle = FD.adopt(number);
    closeRange(number, number);
    const outcome = (call) => { try { return call(); } catch (error) { return error.code; } };
    found = [handle.raw === number, outcome(() => handle.read(new Uint8Array(8))),
      outcome(() => handle.close()), handle.closed];
  `);
  assertEquals(found, [true, "EBADF", "EBADF", true]);
});
