/**
 * What documentation must have, and the examples that are in it.
 *
 * @module
 */

import type { DocumentedExport, Kind } from "./exports.ts";

/**
 * The kinds of exports that need an example of their own. An interface or a type is a shape that
 * stands in the example of what takes or returns it; it needs a comment for each of its members.
 */
const WITH_EXAMPLE: readonly Kind[] = ["class", "function", "constant"];

/** Members that are the language's, and mean the same on every class. */
const UNDERSTOOD: readonly string[] = ["[Symbol.toStringTag]", "[Symbol.iterator]"];

/** The text of a doc comment without its stars. */
function textOf(comment: string): string {
  return comment.replace(/^\/\*\*/, "").replace(/\*\/$/, "").split("\n")
    .map((line) => line.replace(/^\s*\*( |$)/, "")).join("\n");
}

/** The ts blocks of a doc comment, as source text. */
export function examplesIn(comment: string | null): string[] {
  return comment === null ? [] : blocksIn(textOf(comment));
}

/** The ts blocks of a Markdown text. */
export function blocksIn(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, code]) => code!);
}

function hasExample(comment: string): boolean {
  return /^@example\b[^]*?^```ts$/m.test(textOf(comment));
}

/** The first sentence of a comment, up to its first tag or blank line. */
function summaryOf(comment: string): string {
  return textOf(comment).trim().split(/\n\n|^@/m)[0]!.trim();
}

/** What is wrong with the documentation of one export, a line for each. */
export function undocumented(one: DocumentedExport): string[] {
  const wrong: string[] = [];
  const missing = (where: string, what: string): void => void wrong.push(`${where}: ${what}`);
  if (one.comment === null || summaryOf(one.comment) === "") {
    missing(one.where, `${one.name} has no doc comment`);
  } else if (WITH_EXAMPLE.includes(one.kind) && !hasExample(one.comment)) {
    missing(one.where, `${one.name} has no @example with a ts block`);
  }
  for (const { name, where, comment } of one.members) {
    if (UNDERSTOOD.includes(name)) continue;
    if (comment === null || summaryOf(comment) === "") {
      missing(where, `${one.name}.${name} has no doc comment`);
    }
  }
  return wrong;
}
