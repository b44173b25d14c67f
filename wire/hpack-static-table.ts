/** The static table of HPACK (RFC 7541, appendix A). */

/** Both parts as latin1: one character for each octet. */
export type HeaderField = readonly [name: string, value: string];

const ENTRIES: readonly HeaderField[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** Indices are from 1 to this; the dynamic table begins after it (RFC 7541, section 2.3.3). */
export const STATIC_TABLE_SIZE = ENTRIES.length;

export function staticField(index: number): HeaderField | undefined {
  return ENTRIES[index - 1];
}

export interface StaticName {
  /** Of the first entry with this name. */
  readonly index: number;
  /** Entries by their value. */
  readonly values: ReadonlyMap<string, number>;
}

const NAMES = ((): ReadonlyMap<string, StaticName> => {
  const names = new Map<string, { readonly index: number; readonly values: Map<string, number> }>();
  for (const [at, [name, value]] of ENTRIES.entries()) {
    const known = names.get(name) ?? { index: at + 1, values: new Map<string, number>() };
    names.set(name, known);
    // An empty value in the table stands for "any": it is still an entry that may be named as a whole.
    known.values.set(value, at + 1);
  }
  return names;
})();

export function staticName(name: string): StaticName | undefined {
  return NAMES.get(name);
}
