// npm test: one suite on both runtimes, then Deno under the narrow grant. See usage() below.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve, sep } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { parseJunit } from "./junit.mjs";
import { bun, deno, ending, root, run, versionOf } from "./runtimes.mjs";

const USAGE =
  `node .ci/test.mjs [--bun] [--deno] [--narrow] [--serial] [--coverage] [file or folder …]

The suites run at the same time, because a test waits more than it computes; they are shown in turn.
Deno's, which takes longest, runs in two parts: every second file is in the other one.

  --bun, --deno   only the suite on that runtime
  --narrow        only tests/narrow on Deno, with --allow-ffi=<path of libc> and nothing else
  --serial        one suite after the other, each in one part
  --coverage      print the coverage of the library after each suite
Files default to every tests/**/*_test.ts. FDLOOP_TEST_TIMEOUT: seconds that one suite may take (1800).`;

const NARROW = "tests/narrow";
// One test's limit is support.ts's business; this is only above it. Bun's own default is 5 s.
const BUN_TEST_TIMEOUT_MS = 120_000;
const suiteTimeoutMs = Number(process.env.FDLOOP_TEST_TIMEOUT ?? 1800) * 1000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bun: { type: "boolean" },
    deno: { type: "boolean" },
    narrow: { type: "boolean" },
    serial: { type: "boolean" },
    coverage: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  },
});

/** The test files at or under a path, as paths from the root with forward slashes. */
function testFiles(path) {
  const full = resolve(root, path);
  if (!existsSync(full)) throw new Error(`${path}: no such test file or folder`);
  const files = statSync(full).isDirectory()
    ? readdirSync(full, { recursive: true }).map((name) => join(full, name))
      .filter((name) => name.endsWith("_test.ts"))
    : [full];
  return files.map((file) => relative(root, file).split(sep).join("/")).sort();
}

/** The suites to run: what each is called, its files, and the command that runs some of them. */
async function suites(files) {
  const all = !options.bun && !options.deno && !options.narrow;
  const wide = files.filter((file) => !file.startsWith(`${NARROW}/`));
  const narrow = files.filter((file) => file.startsWith(`${NARROW}/`));
  const planned = [];
  if ((all || options.bun) && wide.length > 0) planned.push(await bunSuite(wide));
  if ((all || options.deno) && wide.length > 0) planned.push(await denoSuite(wide));
  if (all || options.narrow) {
    if (narrow.length > 0) planned.push(await narrowSuite(narrow));
    else if (options.narrow || positionals.length === 0) {
      console.log(`deno, narrow grant: not run, there is no ${NARROW}/*_test.ts`);
    }
  }
  return planned;
}

async function bunSuite(files) {
  return {
    name: `bun ${await versionOf(bun())}`,
    whole: true,
    files,
    command: (report, files) => [
      bun(),
      "test",
      `--timeout=${BUN_TEST_TIMEOUT_MS}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...(options.coverage ? ["--coverage"] : []),
      ...files.map((file) => `./${file}`),
    ],
  };
}

/** Types are `npm run check`'s business; `--no-remote` proves that the suite needs no network. */
function denoTest(report, grants, files) {
  return [
    deno(),
    "test",
    ...grants,
    "--no-prompt",
    "--no-check",
    "--no-remote",
    "--import-map=tests/import_map.json",
    `--junit-path=${report}`,
    ...files,
  ];
}

async function denoSuite(files) {
  const profile = join(temporary, "deno-coverage");
  return {
    name: `deno ${await versionOf(deno())}`,
    whole: true,
    files,
    parts: 2,
    command: (report, files) =>
      denoTest(
        report,
        options.coverage ? ["-A", `--coverage=${profile}`, "--coverage-raw-data-only"] : ["-A"],
        files,
      ),
    after: options.coverage ? () => denoCoverage(profile) : undefined,
  };
}

async function narrowSuite(files) {
  const grant = `--allow-ffi=${await libcPath()}`;
  return {
    name: `deno ${await versionOf(deno())} with only ${grant}`,
    files,
    command: (report, files) => denoTest(report, [grant], files),
  };
}

/** Asks the library where libc lies: the path that is granted must be the one that it opens. */
async function libcPath() {
  const program = `import { libcNames } from ${JSON.stringify(join(root, "ffi/libc_paths.ts"))};
    console.log(JSON.stringify(libcNames("${process.platform}", "${process.arch}").paths));`;
  const { stdout, ok } = await run(deno(), ["eval", "--no-remote", program], {
    capture: true,
    timeoutMs: 30_000,
  });
  const path = ok ? JSON.parse(stdout).find((candidate) => existsSync(candidate)) : undefined;
  if (path) return path;
  throw new Error("the narrow run needs the path of libc: none of ffi/libc_paths.ts exists here");
}

async function denoCoverage(profile) {
  const library = `^file://${root}/(mod\\.ts|ffi/|handles/|loop/)`;
  await run(deno(), ["coverage", profile, `--include=${library}`], { timeoutMs: 60_000 });
}

/**
 * Runs some files of a suite and reads its report: the cases, and how it ended. What it prints is shown
 * as it comes, or kept for `show` when another one has the terminal.
 */
async function runPart(suite, files, { capture }) {
  const title = `\n=== ${suite.name}: ${files.length} files ===`;
  if (!capture) console.log(title);
  const report = join(temporary, `${reports++}.xml`);
  const [command, ...args] = suite.command(report, files);
  const end = await run(command, args, { timeoutMs: suiteTimeoutMs, capture });
  const show = () => {
    if (capture) console.log(`${title}\n${end.stdout}${end.stderr}`);
  };
  const cases = existsSync(report) ? parseJunit(readFileSync(report, "utf8")) : [];
  const problems = end.ok || cases.some(({ outcome }) => outcome === "failed")
    ? []
    : [{ name: `the run itself: ${ending(end, suiteTimeoutMs)}` }];
  return { cases, end, problems, show };
}

/** Runs one suite, in its parts. Whatever went wrong outside a test is a failure too. */
async function runSuite(suite, { capture, parts = 1 }) {
  const started = performance.now();
  const ends = await Promise.all(
    Array.from({ length: Math.min(parts, suite.files.length) }, (_, part) => {
      const files = suite.files.filter((_, index) => index % parts === part);
      return runPart(suite, files, { capture: capture || part > 0 });
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const cases = ends.flatMap(({ cases }) => cases);
  const problems = ends.flatMap(({ problems }) => problems);
  // Deno reports where node:test was called, which is support.ts; Bun reports the test's own file.
  if (cases.some(({ file }) => suite.files.includes(file))) {
    for (const file of suite.files) {
      if (!cases.some((one) => one.file === file)) problems.push({ file, name: "ran no test" });
    }
  }
  for (const one of cases) {
    // support.ts writes the reason into the name; a bare skip hides why.
    const bare = one.outcome === "skipped" && !/\(skipped: .+\)$/.test(one.name);
    if (bare) {
      one.outcome = "failed";
      one.name += ": skipped without a reason";
    }
    if (one.outcome === "failed") problems.push(one);
  }
  const names = new Set(cases.map(({ name }) => name.replace(/ \(skipped: .+\)$/, "")));
  const passed = cases.filter((one) => one.outcome === "passed").length;
  const skips = cases.filter((one) => one.outcome === "skipped");
  return { suite, ends, seconds, names, passed, problems, skips };
}

/** Runs the suites, and shows what each has printed in their order. */
async function runAll(planned) {
  const results = [];
  if (options.serial) {
    for (const suite of planned) results.push(await runSuite(suite, { capture: false }));
  } else {
    const started = planned.map((suite, index) =>
      runSuite(suite, { capture: index > 0, parts: suite.parts })
    );
    results.push(...await Promise.all(started));
  }
  for (const { ends, suite } of results) {
    for (const { show } of ends) show();
    await suite.after?.();
  }
  return results;
}

/** The suites are one suite: a test that only one runtime knows was lost on the other. */
function compareNames(results) {
  const whole = results.filter(({ suite }) => suite.whole);
  if (whole.some(({ names }) => names.size === 0)) return; // that is reported, and enough
  for (const result of whole) {
    for (const other of whole) {
      for (const name of other.names) {
        if (result.names.has(name)) continue;
        result.problems.push({ name: `${name}: only ${other.suite.name} has this test` });
      }
    }
  }
}

function counts(passed, failed, skipped) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function summarize(results) {
  console.log("\n=== summary ===");
  const total = { passed: 0, failed: 0, skipped: 0 };
  const place = ({ file, name }) => file?.endsWith("_test.ts") ? `${file} > ${name}` : name;
  for (const { suite, ends, seconds, passed, problems, skips } of results) {
    const number = passed + problems.length + skips.length;
    const line = counts(passed, problems.length, skips.length);
    const note = ends.filter(({ end }) => !end.ok)
      .map(({ end }) => `, ${ending(end, suiteTimeoutMs)}`).join("");
    console.log(`${suite.name}: ${number} tests in ${seconds.toFixed(1)} s: ${line}${note}`);
    for (const one of skips) console.log(`  skip ${place(one)}`);
    for (const one of problems) console.log(`  FAIL ${place(one)}`);
    total.passed += passed;
    total.failed += problems.length;
    total.skipped += skips.length;
  }
  if (results.length === 0 || results.some(({ passed }) => passed === 0)) {
    console.log("a suite without a passing test proves nothing: failed");
    total.failed = Math.max(total.failed, 1);
  }
  console.log(counts(total.passed, total.failed, total.skipped));
  return total.failed === 0 && results.every(({ ends }) => ends.every(({ end }) => end.ok));
}

if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
let reports = 0;
const temporary = mkdtempSync(join(tmpdir(), "fdloop-test-"));
try {
  const files = positionals.length > 0 ? positionals.flatMap(testFiles) : testFiles("tests");
  const results = await runAll(await suites(files));
  compareNames(results);
  process.exitCode = summarize(results) ? 0 : 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
