// npm run check: types by two compilers, lint, format, documentation, and both packages.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { bun, deno, ending, packageCommand, root, run } from "./runtimes.mjs";

const TIMEOUT_MS = 180_000;
const LIBRARY = ["mod.ts", "ffi", "handles", "loop"];
const present = (names) => names.filter((name) => existsSync(join(root, name)));
const tsc = packageCommand("typescript", "tsc");
const importMap = "--import-map=tests/import_map.json";

/** What the published npm package may hold besides dist/. */
const PACKAGE_FILES = /^(dist\/.*\.(js|d\.ts)|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;

async function command(program, args, options) {
  const end = await run(program, args, { timeoutMs: TIMEOUT_MS, ...options });
  if (!end.ok) throw new Error(`${ending(end, TIMEOUT_MS)}\n${end.stdout}${end.stderr}`.trim());
  return end.stdout;
}

/** A program to be run by this Node, by npm's own file where npm started us. */
function npm(args, options) {
  const npmFile = process.env.npm_execpath;
  return npmFile?.endsWith("npm-cli.js")
    ? command(process.execPath, [npmFile, ...args], options)
    : command("npm", args, options);
}

/** Packs the npm package, unpacks it as an installed one, and uses it from both runtimes and tsc. */
async function npmPackage() {
  const temporary = mkdtempSync(join(tmpdir(), "fdloop-pack-"));
  try {
    const packed = await npm([
      "pack",
      "--json",
      "--loglevel=error",
      `--pack-destination=${temporary}`,
    ], {
      capture: true,
    });
    const [{ filename, files }] = JSON.parse(packed.slice(packed.indexOf("[\n")));
    const strange = files.map(({ path }) => path).filter((path) => !PACKAGE_FILES.test(path));
    if (strange.length > 0) throw new Error(`not for the package: ${strange.join(", ")}`);
    const { scripts, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const hooks = ["preinstall", "install", "postinstall", "prepare"].filter((name) =>
      scripts[name]
    );
    if (hooks.length > 0 || dependencies) throw new Error("install scripts or dependencies");

    const installed = join(temporary, "node_modules", "fdloop");
    mkdirSync(installed, { recursive: true });
    await command("tar", [
      "-xzf",
      join(temporary, filename),
      "--strip-components=1",
      "-C",
      installed,
    ]);
    writeFileSync(join(temporary, "package.json"), `{ "type": "module" }\n`);
    writeFileSync(
      join(temporary, "use.ts"),
      `import * as fdloop from "fdloop";
const names: string[] = Object.keys(fdloop);
if (names.length === 0) throw new Error("the package exports nothing");
`,
    );
    await command(bun(), ["use.ts"], { cwd: temporary });
    await command(deno(), ["run", "--allow-ffi", "--no-prompt", "use.ts"], { cwd: temporary });
    const strict = "--strict --noEmit --module nodenext --target esnext --lib esnext,dom";
    await command(process.execPath, [tsc, ...strict.split(" "), "use.ts"], { cwd: temporary });
    console.log(`${filename}: ${files.length} files; imported by Bun, Deno and tsc`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const checks = {
  "types, by tsc with Bun's types": () =>
    command(process.execPath, [tsc, "-p", ".ci/tsconfig.check.json"]),
  "types, by Deno": () =>
    command(deno(), [
      "check",
      "--quiet",
      "--no-remote",
      importMap,
      ...present([...LIBRARY, "tests", "bench", "examples"]),
    ]),
  "types of the examples in the documentation": () =>
    command(deno(), ["check", "--quiet", "--no-remote", "--doc", importMap, ...present(LIBRARY)]),
  "deno lint": () => command(deno(), ["lint", "--quiet"]),
  "deno fmt --check": () => command(deno(), ["fmt", "--check"]),
  "deno doc --lint": () =>
    command(deno(), ["doc", "--lint", "--quiet", "mod.ts", "loop/user_space.ts"]),
  "JSR package": () => command(deno(), ["publish", "--dry-run", "--allow-dirty", "--quiet"]),
  "npm package": npmPackage,
};

let failed = 0;

async function report(name) {
  try {
    await checks[name]();
    console.log(`--- ${name}: ok`);
  } catch (error) {
    failed++;
    console.error(`--- FAILED ${name}: ${error.message}`);
  }
}

// The package takes as long as all the others, and there are two cores.
const others = Object.keys(checks).filter((name) => name !== "npm package");
const inTurn = async () => {
  for (const name of others) await report(name);
};
await Promise.all([report("npm package"), inTurn()]);
console.log(`\ncheck: ${Object.keys(checks).length - failed} ok, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
