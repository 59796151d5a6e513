/**
 * Where the tests run: which runtime, which kernel, which commands, and a folder of their own.
 *
 * @module
 */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

/** The runtime that runs the tests. */
export const runtime: "bun" | "deno" = process.versions.bun === undefined ? "deno" : "bun";

/** The repository as a `file:` URL with a slash at its end: `${root}ffi/libc.ts` is importable. */
export const root: string = new URL("../../", import.meta.url).href;

/** Major and minor version of the kernel, from uname(2). */
export function kernelVersion(): [major: number, minor: number] {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(os.release()) ?? [];
  if (major === undefined || minor === undefined) {
    throw new Error(`uname gives "${os.release()}", which does not begin with major.minor`);
  }
  return [Number(major), Number(minor)];
}

/** Whether the kernel is `major.minor` or newer. */
export function kernelAtLeast(major: number, minor: number): boolean {
  const [haveMajor, haveMinor] = kernelVersion();
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

/** Whether a command can be started by its name. */
export function hasCommand(name: string): boolean {
  return (process.env.PATH ?? "").split(path.delimiter).some((folder) => {
    const file = path.join(folder, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return fs.statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/** A folder that is removed, with what is in it, at the end of its scope. */
export interface TempDir extends Disposable {
  readonly path: string;
}

/** Makes a folder: `using dir = tempDir()`. */
export function tempDir(): TempDir {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "fdloop-"));
  return {
    path: folder,
    [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}
