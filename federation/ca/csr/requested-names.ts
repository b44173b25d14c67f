import { err, ok, type Result } from '@landbridge/core/result.ts';
import { contextTag, DER_TAG, type DerElement, partsOf, readDer } from '../der.ts';
import type { SubjectName } from '../x509.ts';

const EXTENSION_REQUEST = '2a864886f70d01090e';
const SUBJECT_ALT_NAME = '551d11';
/** GeneralName tags (RFC 5280, section 4.2.1.6). */
const KIND: ReadonlyMap<number, SubjectName['kind']> = new Map([[0x82, 'dns'], [0x86, 'uri']]);
const MAX_NAMES = 16;

/**
 * The names that a PKCS#10 request (RFC 2986) asks for, where it asks for nothing else: a signer elsewhere may take over
 * whatever stands in it. A subject may be a group of Kubernetes, and an extension may make an authority.
 */
export function readRequestedNames(der: Buffer): Result<readonly SubjectName[]> {
  try {
    return read(der);
  } catch (thrown) {
    return err(`the certificate request can not be read: ${String(thrown).slice(0, 200)}`);
  }
}

function read(der: Buffer): Result<readonly SubjectName[]> {
  const [info] = partsOf(readDer(der));
  const [, subject, , attributes, ...rest] = partsOf(info);
  if (partsOf(subject).length > 0) return err('the certificate request has a subject: it must be empty');
  const [attribute, ...others] = attributes === undefined ? [] : partsOf(attributes, contextTag(0));
  if (attribute === undefined) return err('the certificate request names nobody: the SPIFFE ID must be its only subjectAltName');
  const [id, values] = partsOf(attribute);
  if (others.length > 0 || rest.length > 0 || !isOid(id, EXTENSION_REQUEST)) return err('the certificate request has attributes beside its extensions');
  const [extensions, ...moreExtensions] = partsOf(values, DER_TAG.set);
  const [extension, ...moreExtension] = partsOf(extensions);
  if (moreExtensions.length > 0 || moreExtension.length > 0 || extension === undefined) return err('the certificate request asks for more than one extension: subjectAltName must be the only one');
  const parts = partsOf(extension);
  if (!isOid(parts[0], SUBJECT_ALT_NAME)) return err('the certificate request asks for another extension than subjectAltName');
  const value = parts.at(-1);
  if (parts.length > 3 || value?.tag !== DER_TAG.octetString) return err('the certificate request has an extension without a value');
  return readNames(partsOf(readDer(value.content)));
}

function readNames(elements: readonly DerElement[]): Result<readonly SubjectName[]> {
  if (elements.length === 0 || elements.length > MAX_NAMES) return err(`the certificate request has ${elements.length} names`);
  const names: SubjectName[] = [];
  for (const { tag, content } of elements) {
    const kind = KIND.get(tag);
    if (kind === undefined) return err('the certificate request has a name that is neither a URI nor of DNS');
    names.push({ kind, value: content.toString('latin1') });
  }
  return ok(names);
}

const isOid = (element: DerElement | undefined, hex: string): boolean => element?.tag === DER_TAG.oid && element.content.toString('hex') === hex;
