import fs from "node:fs";
import { hostname, release } from "node:os";
import { assert, assertEquals } from "@std/assert";
import { BSD_COLUMNS, type Column, COLUMNS, LINUX_COLUMNS } from "../ffi/columns.ts";
import { check, libc } from "../ffi/libc.ts";
import { os } from "../ffi/platform.ts";
import { BSD_STRUCTS, LINUX_STRUCTS, POSIX_STRUCTS, structs } from "../ffi/structs.ts";
import { tempDir, test } from "./support.ts";

type Rows = Readonly<Record<string, readonly unknown[]>>;

const TABLES: readonly (readonly [Readonly<Record<string, Rows>>, readonly Column[]])[] = [
  [POSIX_STRUCTS, COLUMNS],
  [LINUX_STRUCTS, LINUX_COLUMNS],
  [BSD_STRUCTS, BSD_COLUMNS],
];

const SIZES: Readonly<Record<string, number>> = {
  u8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  u64: 8,
  i64: 8,
  ptr: 8,
  mem: 1,
};

/** Fields of unions, which share their place with others. */
const SHARED = ["value", "addr", "timerid", "overrun", "band", "fd"].map(
  (field) => `siginfo_t.si_${field}`,
);

interface Place {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Where each field of a struct begins and ends in one column. */
function places(struct: string, rows: Rows, index: number): Place[] {
  return Object.entries(rows).flatMap(([field, [type, ...offsets]]) => {
    const from = offsets[index];
    if (field === "size" || typeof from !== "number") return [];
    return [{ name: `${struct}.${field}`, from, to: from + SIZES[type as string]! }];
  });
}

test("structs: no two fields of a struct overlap, and none reaches over its end", () => {
  for (const [table, header] of TABLES) {
    for (const [struct, rows] of Object.entries(table)) {
      for (const [index, column] of header.entries()) {
        const size = (rows.size![index] as number | null) ?? Infinity;
        const found = places(struct, rows, index).filter(({ name }) => !SHARED.includes(name));
        let end = 0;
        for (const { name, from, to } of found.toSorted((a, b) => a.from - b.from)) {
          assert(from >= end, `${name} begins inside another field on ${column}`);
          assert(to <= size, `${name} reaches over the end on ${column}`);
          end = to;
        }
      }
    }
  }
});

test("structs: fstat(2) fills what the table says", () => {
  using dir = tempDir();
  const path = `${dir.path}/file`;
  fs.writeFileSync(path, "twelve bytes", { mode: 0o640 });
  const file = fs.openSync(path, "r");
  try {
    const view = new DataView(new ArrayBuffer(structs.stat.size));
    check("fstat", libc.fstat(file, view), file);
    const expected = fs.fstatSync(file, { bigint: true });
    assertEquals(view.getBigInt64(structs.stat.st_size, true), 12n);
    assertEquals(view.getBigUint64(structs.stat.st_ino, true), expected.ino);
    assertEquals(view.getUint16(structs.stat.st_mode, true), Number(expected.mode));
    assertEquals(view.getUint32(structs.stat.st_dev, true), Number(expected.dev & 0xffffffffn));
  } finally {
    fs.closeSync(file);
  }
});

test.if(
  os === "linux" || os === "darwin",
  "the symbol uname of FreeBSD is for another struct",
  "structs: uname(2) fills what the table says",
  () => {
    const bytes = new Uint8Array(new ArrayBuffer(structs.utsname.size));
    check("uname", libc.uname(bytes));
    const text = (offset: number): string => {
      const field = bytes.subarray(offset);
      return new TextDecoder().decode(field.subarray(0, field.indexOf(0)));
    };
    assertEquals(text(structs.utsname.sysname), os === "linux" ? "Linux" : "Darwin");
    assertEquals(text(structs.utsname.nodename), hostname());
    assertEquals(text(structs.utsname.release), release());
  },
);
