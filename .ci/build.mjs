// npm run build: the npm package in dist/, one .js file for each module and one bundled mod.d.ts.
//
// One file for each module, because the loop starts Workers by module URL. Bun would run the .ts
// files from node_modules; Deno refuses to strip types there.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import ts from "typescript";
import { ending, packageCommand, root, run } from "./runtimes.mjs";

const dist = join(root, "dist");
const project = join(root, ".ci", "tsconfig.build.json");

async function step(command, args) {
  const timeoutMs = 300_000; // a minute on an idle machine
  const end = await run(
    process.execPath,
    [packageCommand(command.package, command.name), ...args],
    {
      timeoutMs,
    },
  );
  if (!end.ok) throw new Error(`${command.package}: ${ending(end, timeoutMs)}`);
}

/** The string literals of a module that name other modules, with what each should become. */
function* moduleNames(node) {
  if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
    const [name, base] = node.arguments ?? [];
    // tsc rewrites imports only; a Worker's URL is a plain string to it.
    if (name && ts.isStringLiteral(name) && base?.getText() === "import.meta.url") yield name;
  }
  const specifier = node.moduleSpecifier ??
    (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
      ? node.arguments[0]
      : undefined);
  if (specifier && ts.isStringLiteral(specifier)) yield specifier;
  for (const child of node.getChildren()) yield* moduleNames(child);
}

/** Rewrites every module's name that still ends in `.ts` to the `.js` beside it. */
function rewrite(file) {
  let text = readFileSync(file, "utf8");
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  for (const literal of [...moduleNames(tree)].reverse()) {
    if (!literal.text.endsWith(".ts")) continue;
    const renamed = JSON.stringify(literal.text.replace(/\.ts$/, ".js"));
    text = text.slice(0, literal.getStart()) + renamed + text.slice(literal.end);
  }
  writeFileSync(file, text);
}

rmSync(dist, { recursive: true, force: true });
await step({ package: "typescript", name: "tsc" }, ["-p", project]);
for (const name of readdirSync(dist, { recursive: true })) {
  if (name.endsWith(".js")) rewrite(join(dist, name));
}
// Both entries in one go: most of the time is spent on reading the program.
const output = { noBanner: true, exportReferencedTypes: false };
const config = join(dist, "dts.config.json");
writeFileSync(
  config,
  JSON.stringify({
    compilationOptions: { preferredConfigPath: project },
    entries: ["mod", "loop/user_space"].map((name) => ({
      filePath: join(root, `${name}.ts`),
      outFile: join(dist, `${name}.d.ts`),
      output,
    })),
  }),
);
await step({ package: "dts-bundle-generator" }, ["--silent", "--config", config]);
rmSync(config);
