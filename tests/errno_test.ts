import { constants } from "node:os";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { COLUMNS } from "../ffi/columns.ts";
import { ERRNO_TABLE, type ErrnoName, errnoName, errnoNumber, errnoText } from "../ffi/errno.ts";
import { test } from "./support.ts";

const NAMES = Object.keys(ERRNO_TABLE) as ErrnoName[];

test("errno: the numbers are those that the runtime knows", () => {
  const known = Object.entries(constants.errno).filter(([name]) => name in ERRNO_TABLE);
  assert(known.length > 70, `the runtime knows only ${known.length}`);
  for (const [name, number] of known) assertEquals(errnoNumber(name as ErrnoName), number, name);
});

test("errno: a name leads to its number and back, or to the first name of that number", () => {
  const others = NAMES.filter((name) => {
    const number = errnoNumber(name);
    return !Number.isNaN(number) && errnoName(number) !== name;
  });
  const aliases = ["EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"];
  assertEquals(others.filter((name) => !aliases.includes(name)), []);
  assertEquals(errnoName(errnoNumber("EWOULDBLOCK")), "EAGAIN");
});

test("errno: on every system, only the known aliases share a number", () => {
  const shared = COLUMNS.map((_, column) => {
    const numbers = new Set<number | null>([null]);
    return NAMES.filter((name) => {
      const number = ERRNO_TABLE[name][column] as number | null;
      if (number === null || !numbers.has(number)) return void numbers.add(number);
      return true;
    });
  });
  const linux = ["EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"];
  assertEquals(shared, [linux, linux, ["EWOULDBLOCK"], ["EWOULDBLOCK", "ENOTSUP"]]);
});

test("errno: a number that the system does not define keeps the number in its name", () => {
  for (const number of [0, -1, 1234, 1.5]) {
    assertEquals(errnoName(number), `errno ${number}`);
    assertEquals(errnoText(number), `unknown error ${number}`);
  }
});

test("errno: a name of other systems is NaN, which equals no errno", () => {
  const absent = NAMES.filter((name) => Number.isNaN(errnoNumber(name)));
  assert(absent.length > 0, "this system has every error of every system");
  assert(absent.includes("EDOOFUS") || absent.includes("EBADFD"));
});

test("errno: words are the middle of a sentence", () => {
  assertEquals(errnoText(errnoNumber("EAGAIN")), "resource temporarily unavailable");
  for (const name of NAMES) {
    assertMatch(ERRNO_TABLE[name][COLUMNS.length], /^([a-z.]|[A-Z]{3}).*[a-z0-9]$/i, name);
  }
});
