/**
 * What mod.ts exports, with its documentation, by the syntax tree: a new export is found by itself.
 *
 * @module
 */

import ts from "typescript";

/** The text of a source file by its path from the repository's root. */
export type ReadFile = (path: string) => string;

/** How an export is declared. */
export type Kind = "class" | "function" | "constant" | "interface" | "type";

/** A member that programs can reach, with its doc comment. */
export interface DocumentedMember {
  readonly name: string;
  /** Where it is declared: `handles/fd.ts:12`. */
  readonly where: string;
  /** The doc comment as it stands in the source, null where there is none. */
  readonly comment: string | null;
}

/** One name of mod.ts. */
export interface DocumentedExport extends DocumentedMember {
  readonly kind: Kind;
  readonly members: readonly DocumentedMember[];
}

type Declaration =
  | ts.ClassDeclaration
  | ts.FunctionDeclaration
  | ts.InterfaceDeclaration
  | ts.TypeAliasDeclaration
  | ts.VariableStatement;

/** Parses a file of the tree. */
function parse(path: string, read: ReadFile): ts.SourceFile {
  return ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
}

function where(node: ts.Node): string {
  const source = node.getSourceFile();
  const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
  return `${source.fileName}:${line + 1}`;
}

function commentOf(node: ts.Node): string | null {
  return ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).at(-1)?.getText() ?? null;
}

function isDeclaration(node: ts.Statement): node is Declaration {
  return ts.isClassDeclaration(node) || ts.isFunctionDeclaration(node) ||
    ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) ||
    ts.isVariableStatement(node);
}

function declares(node: Declaration, name: string): boolean {
  return ts.isVariableStatement(node)
    ? node.declarationList.declarations.some((one) => one.name.getText() === name)
    : node.name?.text === name;
}

function kindOf(node: Declaration): Kind {
  if (ts.isClassDeclaration(node)) return "class";
  if (ts.isFunctionDeclaration(node)) return "function";
  if (ts.isInterfaceDeclaration(node)) return "interface";
  return ts.isTypeAliasDeclaration(node) ? "type" : "constant";
}

function isHidden(node: ts.Node): boolean {
  const hides = (one: ts.ModifierLike): boolean =>
    one.kind === ts.SyntaxKind.PrivateKeyword || one.kind === ts.SyntaxKind.ProtectedKeyword;
  return ts.canHaveModifiers(node) && (ts.getModifiers(node)?.some(hides) ?? false);
}

/** The members of a class or of an interface that have a name and can be reached by it. */
function membersOf(node: Declaration): DocumentedMember[] {
  const members: readonly ts.Node[] = ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)
    ? node.members
    : ts.isTypeAliasDeclaration(node) && ts.isTypeLiteralNode(node.type)
    ? node.type.members
    : [];
  const found = new Map<string, DocumentedMember>();
  for (const member of members) {
    const { name } = member as { name?: ts.PropertyName };
    const isConstructor = ts.isConstructorDeclaration(member);
    if (isHidden(member) || (!isConstructor && !name) || (name && ts.isPrivateIdentifier(name))) {
      continue;
    }
    const text = isConstructor ? "constructor" : name!.getText();
    const comment = commentOf(member) ?? found.get(text)?.comment ?? null; // of overloads one suffices
    found.set(text, { name: text, where: where(member), comment });
  }
  return [...found.values()];
}

/** Follows a name to where it is declared, through files that only pass it on. */
function follow(path: string, name: string, read: ReadFile): DocumentedExport {
  const { statements } = parse(path, read);
  const declarations = statements.filter(isDeclaration).filter((one) => declares(one, name));
  const first = declarations[0];
  if (first !== undefined) {
    const comment = declarations.map(commentOf).findLast((one) => one !== null) ?? null;
    const members = declarations.flatMap(membersOf);
    return { name, where: where(first), kind: kindOf(first), comment, members };
  }
  for (const { source, original } of reExports(statements, path)) {
    if (original.as === name) return follow(source, original.name, read);
  }
  throw new Error(`${path} is said to export ${name}, which it does not declare`);
}

interface ReExport {
  readonly source: string;
  readonly original: { readonly name: string; readonly as: string };
}

function* reExports(statements: readonly ts.Statement[], path: string): Generator<ReExport> {
  for (const statement of statements) {
    if (!ts.isExportDeclaration(statement) || !statement.moduleSpecifier) continue;
    const specifier = (statement.moduleSpecifier as ts.StringLiteral).text;
    const source = new URL(specifier, `file:///${path}`).pathname.slice(1);
    if (!statement.exportClause || !ts.isNamedExports(statement.exportClause)) {
      throw new Error(`${path} exports all of ${source}: only named exports can be followed`);
    }
    for (const { name, propertyName } of statement.exportClause.elements) {
      yield { source, original: { name: (propertyName ?? name).text, as: name.text } };
    }
  }
}

/** Everything that a module exports by `export { … } from "…"`. */
export function exportsOf(path: string, read: ReadFile): DocumentedExport[] {
  return [...reExports(parse(path, read).statements, path)].map(({ source, original }) => ({
    ...follow(source, original.name, read),
    name: original.as,
  }));
}

/** The comment at the head of a module, null where there is none. */
export function moduleComment(path: string, read: ReadFile): string | null {
  return /^\/\*\*[^]*?\*\//.exec(read(path))?.[0] ?? null;
}
