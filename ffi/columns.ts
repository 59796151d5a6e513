/**
 * The columns of the floor's tables, and how the one of this machine is picked.
 *
 * A table has one row per C name, and a row has one cell per column of the table's header. The
 * tables are data about every system that fdloop knows, on every system: a test proves each column
 * against the headers of its system, wherever a compiler with those headers is found.
 *
 * @module
 */

/** One system whose numbers are known. On Darwin and FreeBSD x64 and arm64 agree in every row. */
export type Column = "linux-x64" | "linux-arm64" | "darwin" | "freebsd";

/** The header of a table that has a column for every system. */
export const COLUMNS = ["linux-x64", "linux-arm64", "darwin", "freebsd"] as const;

/** The header of a table that only Linux has a use for. */
export const LINUX_COLUMNS = ["linux-x64", "linux-arm64"] as const;

/** The header of a table that only the systems with kqueue have a use for. */
export const BSD_COLUMNS = ["darwin", "freebsd"] as const;

/** A number as the headers of one system have it, null where they do not have the name. */
export type Cell = number | null;

/** The cells of one name, in the order of the table's header. */
export type Row<Header extends readonly Column[]> = { readonly [Index in keyof Header]: Cell };

/** A table of constants, by their C names. */
export type Table<Header extends readonly Column[]> = Readonly<Record<string, Row<Header>>>;

/**
 * One column of a table. A name that the system does not have is NaN, so that the constants are
 * numbers to the type checker: code meets them only behind a check for the system or the feature.
 */
export type Constants<T> = { readonly [Name in keyof T]: number };

/**
 * What one field of a C struct holds, in Rust's words. `ptr` is an address, and `mem` is an inner
 * struct, a union or an array, of which only the place is known.
 */
export type FieldType = "u8" | "u16" | "i16" | "u32" | "i32" | "u64" | "i64" | "ptr" | "mem";

/** One field of a struct: its type, then its offset in each column. */
export type Field<Header extends readonly Column[]> = readonly [FieldType, ...Row<Header>];

/** The size of a struct in each column, and its fields. */
export interface Struct<Header extends readonly Column[]> {
  /** What `sizeof` says, null where it differs within a column. */
  readonly size: Row<Header>;
  /** The fields that somebody reads or writes, in the order of the header. */
  readonly [field: string]: Row<Header> | Field<Header>;
}

/** A table of structs, by their C names. */
export type StructTable<Header extends readonly Column[]> = Readonly<
  Record<string, Struct<Header>>
>;

/** One column of a table of structs: sizes and offsets in bytes. NaN is what {@link Constants} says. */
export type Layouts<T> = {
  readonly [Name in keyof T]: { readonly [FieldName in keyof T[Name]]: number };
};

/** The column of a machine, null for one that no test has ever proven. */
export function column(os: string, arch: string): Column | null {
  if (arch !== "x64" && arch !== "arm64") return null;
  if (os === "linux") return `linux-${arch}`;
  return os === "darwin" || os === "freebsd" ? os : null;
}

/** Picks one column out of a table. */
export function pick<Header extends readonly Column[], T extends Table<Header>>(
  table: T,
  header: Header,
  here: Column | null,
): Constants<T> {
  const index = header.findIndex((name) => name === here);
  return Object.freeze(mapValues(table, (row: Row<Header>) => cellAt(row, index)));
}

/** Picks one column out of a table of structs. */
export function pickLayouts<Header extends readonly Column[], T extends StructTable<Header>>(
  table: T,
  header: Header,
  here: Column | null,
): Layouts<T> {
  const index = header.findIndex((name) => name === here);
  const layout = (struct: Struct<Header>): object =>
    Object.freeze(mapValues(struct, (row) => cellAt(withoutType(row), index)));
  return Object.freeze(mapValues(table, layout)) as Layouts<T>;
}

function withoutType(row: readonly unknown[]): readonly unknown[] {
  return typeof row[0] === "string" ? row.slice(1) : row;
}

function cellAt(row: readonly unknown[], index: number): number {
  const cell = row[index];
  return typeof cell === "number" ? cell : NaN;
}

function mapValues<T extends object, Value>(
  from: T,
  change: (value: T[keyof T]) => Value,
): { [Name in keyof T]: Value } {
  const to: Partial<Record<keyof T, Value>> = {};
  for (const name of Object.keys(from) as (keyof T)[]) to[name] = change(from[name]);
  return to as { [Name in keyof T]: Value };
}
