/**
 * The house rules that a program can check, over the syntax tree and not over text. Each rule looks
 * at one file and reports what it finds; tests/tidy_test.ts shows that each of them can fail.
 *
 * @module
 */

import ts from "typescript";

/** The rooms of the library in their order: each imports from itself and from those before it. */
const ROOMS = ["ffi", "handles", "loop", "mod.ts"] as const;

/** The only files that may name a runtime. */
const BACK_ENDS: readonly string[] = ["ffi/bun.ts", "ffi/deno.ts"];

// A reader holds one file of this length in mind; tests and benchmarks are lists of cases.
const LIBRARY_FILE_LINES = 400;
const OTHER_FILE_LINES = 600;
const FUNCTION_LINES = 60;

/** Tests of the whole instead of one source file, which therefore have no twin. */
const WITHOUT_TWIN: readonly string[] = ["docs", "examples", "misuse", "package"];

/** One thing that is wrong: `ffi/libc.ts:12: the sentence`. */
export type Violation = string;

/** A parsed file. `path` is from the repository's root, with forward slashes. */
interface Source {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

function room(path: string): number {
  return ROOMS.findIndex((name) => path === name || path.startsWith(`${name}/`));
}

function isLibrary(path: string): boolean {
  return room(path) >= 0;
}

function lineOf(source: Source, position: number): number {
  return source.tree.getLineAndCharacterOfPosition(position).line + 1;
}

function at(source: Source, node: ts.Node, sentence: string): Violation {
  return `${source.path}:${lineOf(source, node.getStart(source.tree))}: ${sentence}`;
}

function* descendants(node: ts.Node): Generator<ts.Node> {
  for (const child of node.getChildren()) {
    if (ts.isJSDoc(child)) continue;
    yield child;
    yield* descendants(child);
  }
}

function has(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) &&
    (ts.getModifiers(node)?.some((modifier) => modifier.kind === kind) ?? false);
}

/** Checks one TypeScript file by every rule that applies to it. */
export function checkFile(path: string, text: string): Violation[] {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const source: Source = { path, text, tree };
  const nodes = [...descendants(tree)];
  const rules = [
    fileLength(source),
    ...nodes.map((node) => functionLength(source, node)),
    ...nodes.map((node) => returnType(source, node)),
  ];
  if (isLibrary(path)) {
    for (const node of nodes) {
      rules.push(
        importDirection(source, node),
        runtimeName(source, node),
        bannedSyntax(source, node),
        documented(source, node),
      );
    }
  }
  if (path === "mod.ts") rules.push(...modShape(source));
  return rules.filter((violation) => violation !== null);
}

// Sizes.

function fileLength({ path, text }: Source): Violation | null {
  const lines = text.split("\n").length - 1;
  const most = isLibrary(path) || path.startsWith("examples/")
    ? LIBRARY_FILE_LINES
    : OTHER_FILE_LINES;
  return lines > most ? `${path}:1: ${lines} lines, at most ${most}: split it` : null;
}

function functionLength(source: Source, node: ts.Node): Violation | null {
  if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return null;
  const lines = lineOf(source, node.end) - lineOf(source, node.getStart(source.tree)) + 1;
  if (lines <= FUNCTION_LINES) return null;
  return at(source, node, `a function of ${lines} lines, at most ${FUNCTION_LINES}: split it`);
}

// Imports.

/** The module that a node names: import, export from, import(), import type, new URL(…). */
function specifierOf(node: ts.Node): ts.StringLiteral | null {
  let found: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) found = node.moduleSpecifier;
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    found = node.argument.literal;
  } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    found = node.arguments[0];
  } else if (
    ts.isNewExpression(node) && node.expression.getText() === "URL" &&
    node.arguments?.[1]?.getText() === "import.meta.url"
  ) found = node.arguments[0];
  return found && ts.isStringLiteral(found) ? found : null;
}

function importDirection(source: Source, node: ts.Node): Violation | null {
  const specifier = specifierOf(node);
  if (specifier === null) return null;
  const name = specifier.text;
  if (!name.startsWith("./") && !name.startsWith("../")) {
    return at(source, node, `imports "${name}": the library depends on nothing outside itself`);
  }
  if (!name.endsWith(".ts")) return at(source, node, `imports "${name}" without .ts`);
  const target = new URL(name, `file:///${source.path}`).pathname.slice(1);
  if (!isLibrary(target)) return at(source, node, `imports ${target}, which is not the library`);
  if (room(target) > room(source.path)) {
    return at(source, node, `imports ${target}: the order is ${ROOMS.join(" <- ")}`);
  }
  return null;
}

// Words.

function runtimeName(source: Source, node: ts.Node): Violation | null {
  if (BACK_ENDS.includes(source.path)) return null;
  const isName = (text: string): boolean => text === "Bun" || text === "Deno";
  const named = (ts.isIdentifier(node) && isName(node.text)) ||
    (ts.isStringLiteralLike(node) && (node.text.startsWith("bun:") ||
      (isName(node.text) && (ts.isElementAccessExpression(node.parent) ||
        ts.isBinaryExpression(node.parent)))));
  return named
    ? at(source, node, `names a runtime, which only ${BACK_ENDS.join(" and ")} may`)
    : null;
}

const BANNED = new Map<ts.SyntaxKind, string>([
  [ts.SyntaxKind.EnumDeclaration, "an enum: use a union of literals"],
  [ts.SyntaxKind.ModuleDeclaration, "a namespace: use a module"],
  [ts.SyntaxKind.AnyKeyword, "any: use unknown, or the type"],
  [ts.SyntaxKind.Decorator, "a decorator"],
  [ts.SyntaxKind.PrivateKeyword, "private: use #names"],
  [ts.SyntaxKind.ExportAssignment, "a default export: name it"],
  [ts.SyntaxKind.DefaultKeyword, "a default export: name it"],
]);

function bannedSyntax(source: Source, node: ts.Node): Violation | null {
  // `default:` in a switch is no export, and a constructor's name cannot be a #name.
  if (node.kind === ts.SyntaxKind.DefaultKeyword && ts.isDefaultClause(node.parent)) return null;
  if (ts.isConstructorDeclaration(node.parent)) return null;
  const sentence = ts.isExportSpecifier(node) && node.name.text === "default"
    ? "a default export: name it"
    : BANNED.get(node.kind);
  return sentence === undefined ? null : at(source, node, sentence);
}

// Declarations.

/** Named functions and members say what they return; a callback's type comes from its place. */
function returnType(source: Source, node: ts.Node): Violation | null {
  const member = (ts.isMethodDeclaration(node) || ts.isGetAccessor(node)) &&
    ts.isClassLike(node.parent);
  const constant = (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) &&
    ts.isVariableDeclaration(node.parent) && !node.parent.type && isLibrary(source.path);
  if (!(ts.isFunctionDeclaration(node) || member || constant) || node.type) return null;
  return at(source, node, "no return type");
}

/** Every export carries a doc comment; of overloads, one suffices. */
function documented(source: Source, node: ts.Node): Violation | null {
  if (!has(node, ts.SyntaxKind.ExportKeyword) || ts.getJSDocCommentsAndTags(node).length > 0) {
    return null;
  }
  const name = ts.isFunctionDeclaration(node) ? node.name?.text : undefined;
  const overload = name !== undefined &&
    source.tree.statements.some((other) =>
      ts.isFunctionDeclaration(other) && other.name?.text === name &&
      ts.getJSDocCommentsAndTags(other).length > 0
    );
  return overload ? null : at(source, node, "an export without a doc comment");
}

/** mod.ts is a doc comment and `export { … } from "./…"`. */
function modShape(source: Source): Violation[] {
  const violations = source.tree.statements
    .filter((one) =>
      !ts.isExportDeclaration(one) || !one.moduleSpecifier || !one.exportClause ||
      !ts.isNamedExports(one.exportClause)
    )
    .map((one) => at(source, one, "mod.ts has only named re-exports"));
  if (!/^\/\*\*[^]*?@module[^]*?\*\//.test(source.text)) {
    violations.push("mod.ts:1: begins with a doc comment that ends in @module");
  }
  return violations;
}

// The tree.

// In brackets, so that these lines do not match themselves.
const UNFINISHED = /\b(T[O]DO|F[I]XME|X[X]X)\b/;
const MACHINE_PATH = /(^|[\s"'`(=:])(\/h[o]me\/|\/U[s]ers\/|\/r[o]ot\/|\/w[o]rk\/|[A-Z]:\\U[s]ers)/;

/** Checks a text file of any kind for what must not be committed. */
export function checkText(path: string, text: string): Violation[] {
  return text.split("\n").flatMap((line, index) => {
    const where = `${path}:${index + 1}:`;
    const found: Violation[] = [];
    if (UNFINISHED.test(line)) found.push(`${where} unfinished work: do it or open an issue`);
    if (MACHINE_PATH.test(line)) found.push(`${where} a path of one machine`);
    return found;
  });
}

/** Checks that every tests/x_test.ts tests an x.ts. */
export function checkTwins(paths: readonly string[]): Violation[] {
  const sources = new Set(
    paths.filter((path) => isLibrary(path) || path.startsWith("tests/"))
      .map((path) => path.split("/").at(-1)),
  );
  return paths.flatMap((path) => {
    const name = /^tests\/(\w+)_test\.ts$/.exec(path)?.[1];
    return name === undefined || sources.has(`${name}.ts`) || WITHOUT_TWIN.includes(name)
      ? []
      : [`${path}:1: has no source ${name}.ts: name it after what it tests`];
  });
}
