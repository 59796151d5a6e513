// Reads the JUnit files that `bun test` and `deno test` write: the part of XML they use, no more.

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decode(text) {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name) => {
    if (name[0] !== "#") return ENTITIES[name] ?? whole;
    const hex = name[1].toLowerCase() === "x";
    return String.fromCodePoint(Number.parseInt(name.slice(hex ? 2 : 1), hex ? 16 : 10));
  });
}

function attributes(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(/([\w:-]+)="([^"]*)"/g)) found[name] = decode(value);
  return found;
}

// A tag with its attributes (whose values may hold ">"), or text that must not be taken for tags.
const TAG = /<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<(\/?)([\w:-]+)((?:\s+[\w:-]+="[^"]*")*)\s*(\/?)>/g;

/**
 * The test cases of a report, in order: `{ file, name, outcome, message }`, where outcome is
 * "passed", "failed" or "skipped".
 */
export function parseJunit(xml) {
  const cases = [];
  let current = null;
  for (const [, closing, tag, rest, selfClosing] of xml.matchAll(TAG)) {
    if (tag === "testcase") {
      if (closing) {
        current = null;
        continue;
      }
      const { name, file, classname } = attributes(rest);
      current = { file: (file ?? classname).replace(/^\.\//, ""), name, outcome: "passed" };
      cases.push(current);
      if (selfClosing) current = null;
    } else if (current && !closing) {
      if (tag === "failure" || tag === "error") {
        current.outcome = "failed";
        current.message = attributes(rest).message ?? "";
      } else if (tag === "skipped" && current.outcome === "passed") {
        current.outcome = "skipped";
      }
    }
  }
  return cases;
}
