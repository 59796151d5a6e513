/**
 * Strings as C takes them.
 *
 * @module
 */

const encoder = new TextEncoder();

/** A string in UTF-8 with the zero that ends it. A zero within it would end it there. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  const string = new Uint8Array(new ArrayBuffer(bytes.byteLength + 1));
  string.set(bytes);
  return string;
}
