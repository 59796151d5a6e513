import { assert, assertEquals, assertThrows } from "@std/assert";
import { BSD_COLUMNS, column, COLUMNS, LINUX_COLUMNS, pick, pickLayouts } from "../ffi/columns.ts";
import { linux } from "../ffi/const_linux.ts";
import { posix } from "../ffi/const_posix.ts";
import { arch, os } from "../ffi/platform.ts";
import { structs } from "../ffi/structs.ts";
import { test } from "./support.ts";

const TABLE = { ALL: [1, 2, 3, 4], SOME: [5, 6, null, -8] } as const;

const STRUCTS = {
  all: { size: [16, 24, 8, 12], first: ["u32", 0, 4, 0, 0], last: ["mem", 8, 16, null, 4] },
} as const;

test("column: every system that has one, by its CPU where that matters", () => {
  assertEquals(column("linux", "x64"), "linux-x64");
  assertEquals(column("linux", "arm64"), "linux-arm64");
  for (const cpu of ["x64", "arm64"]) {
    assertEquals(column("darwin", cpu), "darwin");
    assertEquals(column("freebsd", cpu), "freebsd");
  }
});

test("column: what no table knows has none", () => {
  for (
    const [system, cpu] of [["linux", "other"], ["other", "x64"], ["darwin", "other"], ["", ""]]
  ) {
    assertEquals(column(system!, cpu!), null);
  }
});

test("pick: each column, NaN where the system has no such name", () => {
  const picked = COLUMNS.map((name) => pick(TABLE, COLUMNS, name));
  assertEquals(picked.map(({ ALL }) => ALL), [1, 2, 3, 4]);
  assertEquals(picked.map(({ SOME }) => SOME), [5, 6, NaN, -8]);
});

test("pick: a header without this system, and no column at all, give NaN for every name", () => {
  for (
    const picked of [pick(TABLE, COLUMNS, null), pick({ A: [1, 2] }, BSD_COLUMNS, "linux-x64")]
  ) {
    assert(Object.values(picked).every(Number.isNaN));
  }
});

test("pick: a shorter header has its own order", () => {
  assertEquals(pick({ A: [1, 2] }, LINUX_COLUMNS, "linux-arm64"), { A: 2 });
  assertEquals(pick({ A: [1, 2] }, BSD_COLUMNS, "freebsd"), { A: 2 });
});

test("pickLayouts: sizes have no type before them, fields have", () => {
  const picked = COLUMNS.map((name) => pickLayouts(STRUCTS, COLUMNS, name).all);
  assertEquals(picked.map(({ size }) => size), [16, 24, 8, 12]);
  assertEquals(picked.map(({ first }) => first), [0, 4, 0, 0]);
  assertEquals(picked.map(({ last }) => last), [8, 16, NaN, 4]);
  assert(Object.values(pickLayouts(STRUCTS, COLUMNS, null).all).every(Number.isNaN));
});

test("the constants of this machine are of its column, and nobody can change them", () => {
  const here = column(os, arch);
  assert(here !== null, `${os} on ${arch} has no column, and its tests cannot run`);
  assertEquals(posix.O_RDWR, 2);
  assertEquals(Number.isNaN(linux.EPOLLET), !here.startsWith("linux"));
  for (const frozen of [posix, linux, structs, structs.stat]) {
    assertThrows(() => Object.assign(frozen, { size: 1, O_RDWR: 1, EPOLLET: 1 }), TypeError);
  }
});
