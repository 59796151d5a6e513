// The machine code is what its assembly says, and does what its comment says, on each instruction
// set that this machine can assemble for and run.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { ACKS, DATA, RING_RECORDS, STUB_BYTES, stubBytes, STUBS } from "../ffi/signal_stub.ts";
import { arch } from "../ffi/platform.ts";
import { hasCommand, root, tempDir, test } from "./support.ts";

type Target = "x64" | "arm64";

/** The programs for code of another instruction set than this machine's. */
const CROSS = { x64: "x86_64-linux-gnu-", arm64: "aarch64-linux-gnu-" } as const;

const prefix = (target: Target): string => target === arch ? "" : CROSS[target];

/** The commands that run a program of an instruction set: itself, or an emulator. */
function runner(target: Target): string[] | null {
  if (target === arch) return [];
  const cpu = target === "x64" ? "x86_64" : "aarch64";
  const found = [`qemu-${cpu}-static`, `qemu-${cpu}`].find(hasCommand);
  return found === undefined ? null : [found];
}

function run(command: string, ...args: string[]): string {
  const { status, signal, stdout, stderr } = spawnSync(command, args, { timeout: 20_000 });
  assertEquals([status, signal], [0, null], `${command}: ${stdout}${stderr}`);
  return String(stdout);
}

for (const target of ["x64", "arm64"] as const) {
  const assembler = `${prefix(target)}as`;
  const copier = `${prefix(target)}objcopy`;
  test.if(
    hasCommand(assembler) && hasCommand(copier),
    `no ${assembler}`,
    `I09 stub ${target}: its bytes are what as(1) makes of its assembly`,
    () => {
      using dir = tempDir();
      const source = STUBS[target]!.map(([, assembly]) => `${assembly}\n`).join("");
      fs.writeFileSync(`${dir.path}/stub.s`, source);
      run(assembler, "-o", `${dir.path}/stub.o`, `${dir.path}/stub.s`);
      run(copier, "-O", "binary", "-j", ".text", `${dir.path}/stub.o`, `${dir.path}/stub.bin`);
      const made = new Uint8Array(fs.readFileSync(`${dir.path}/stub.bin`));
      assertEquals(stubBytes(STUBS[target]!), made);
      // Line by line too: an instruction must not stand beside the bytes of its neighbour.
      assertEquals(lengths(`${dir.path}/stub.o`, `${prefix(target)}objdump`), bytesPerLine(target));
    },
  );
}

/** How many bytes each instruction has, as objdump lists them. */
function lengths(object: string, objdump: string): number[] {
  const places = [...run(objdump, "-d", object).matchAll(/^\s+([0-9a-f]+):\t(?=.*\t)/gm)]
    .map(([, place]) => parseInt(place!, 16));
  const end = stubBytes(STUBS[objdump.startsWith("aarch64") ? "arm64" : "x64"]!).byteLength;
  return places.map((place, index) => (places[index + 1] ?? end) - place);
}

function bytesPerLine(target: Target): number[] {
  return STUBS[target]!.filter(([bytes]) => bytes !== "").map(([bytes]) => bytes.split(" ").length);
}

for (const target of ["x64", "arm64"] as const) {
  const compiler = `${prefix(target)}${target === arch ? "cc" : "gcc"}`;
  const emulator = runner(target);
  test.if(
    hasCommand(compiler) && emulator !== null,
    `no ${compiler}, or nothing that runs ${target}`,
    `I09 stub ${target}: catches, spills, marks and obeys as its comment says`,
    () => {
      using dir = tempDir();
      const source = fileURLToPath(new URL("tests/signal_stub_probe.c", root));
      const defines = Object.entries({ ...DATA, ring_records: RING_RECORDS })
        .map(([name, value]) => `-DSTUB_${name.toUpperCase()}=${value}`);
      const program = `${dir.path}/probe`;
      run(
        compiler,
        "-static",
        "-O1",
        "-Wall",
        "-Werror",
        "-pthread",
        ...defines,
        "-o",
        program,
        source,
      );
      fs.writeFileSync(`${dir.path}/stub.bin`, stubBytes(STUBS[target]!));
      const [command, ...args] = [
        ...emulator!,
        program,
        `${dir.path}/stub.bin`,
        String(STUB_BYTES),
      ];
      assertEquals(run(command!, ...args), "ok\n");
    },
    { timeoutMs: 60_000 },
  );
}

test("I09 stub: its code and its data do not overlap, and orders fit between data and ring", () => {
  for (const lines of Object.values(STUBS)) assert(stubBytes(lines!).byteLength < 4096);
  assertEquals([DATA.acks + ACKS, DATA.tail + 4 <= DATA.acks], [DATA.ring, true]);
});
