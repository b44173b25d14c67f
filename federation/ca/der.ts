/** Reading DER (X.690) where the very bytes of an element matter, as those of a name do. Foreign bytes: nothing recurses. */

/** An element with its header, and what is in it. */
export interface DerElement {
  readonly tag: number;
  readonly bytes: Buffer;
  readonly content: Buffer;
}

export const DER_TAG = { boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, sequence: 0x30, set: 0x31 } as const;
/** [n] of a constructed type. */
export const contextTag = (number: number): number => 0xa0 | number;

/** More than any certificate has at one level. */
const MAX_CHILDREN = 256;

/** The one element that fills the bytes. @throws RangeError where they are something else */
export function readDer(bytes: Buffer): DerElement {
  const element = readElement(bytes, 0);
  if (element.bytes.length !== bytes.length) throw new RangeError('bytes follow the element');
  return element;
}

/** What an element is made of. @throws RangeError */
export function childrenOf({ content }: DerElement): readonly DerElement[] {
  const children: DerElement[] = [];
  for (let at = 0; at < content.length; ) {
    if (children.length === MAX_CHILDREN) throw new RangeError('an element of too many parts');
    const child = readElement(content, at);
    children.push(child);
    at += child.bytes.length;
  }
  return children;
}

/** As {@link childrenOf}, of an element of a tag. @throws RangeError */
export function partsOf(element: DerElement | undefined, tag: number = DER_TAG.sequence): readonly DerElement[] {
  if (element?.tag !== tag) throw new RangeError('an element of another kind');
  return childrenOf(element);
}

/** Only the short tags that X.509 needs, and lengths as DER has them: definite and as short as can be. */
function readElement(bytes: Buffer, at: number): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new RangeError('an element without an end');
  let length = first;
  let contentAt = at + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3 || contentAt + count > bytes.length) throw new RangeError('a length that DER does not have');
    length = bytes.readUIntBE(contentAt, count);
    if (length < 0x80 || length < 256 ** (count - 1)) throw new RangeError('a length that DER does not have');
    contentAt += count;
  }
  const end = contentAt + length;
  if (end > bytes.length) throw new RangeError('an element without an end');
  return { tag, bytes: bytes.subarray(at, end), content: bytes.subarray(contentAt, end) };
}
