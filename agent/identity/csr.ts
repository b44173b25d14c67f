import { generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { asn1 as Asn1 } from 'node-forge';
import asn1 from 'node-forge/lib/asn1.js';

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';
/** GeneralName uniformResourceIdentifier (RFC 5280, section 4.2.1.6). */
const URI_NAME = 6;

export interface KeyAndRequest {
  /** PKCS#8 PEM. */
  readonly keyPem: string;
  /** PKCS#10 PEM (RFC 2986). */
  readonly requestPem: string;
}

/** Makes a P-256 key and a certificate request for one SPIFFE ID. node-forge has no ECDSA, so the signature is made by node:crypto. */
export async function makeRequest(identity: SpiffeId): Promise<KeyAndRequest> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  const info = requestInfo(publicKey, identity);
  const der = asn1.toDer(sequence(
    info,
    sequence(asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(ECDSA_WITH_SHA256).getBytes())),
    bitString(sign('sha256', Buffer.from(asn1.toDer(info).getBytes(), 'latin1'), privateKey)),
  )).getBytes();
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    requestPem: `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(der, 'latin1').toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE REQUEST-----\n`,
  };
}

function requestInfo(publicKey: KeyObject, identity: SpiffeId): Asn1.Asn1 {
  const subjectPublicKeyInfo = asn1.fromDer(publicKey.export({ type: 'spki', format: 'der' }).toString('latin1'), { decodeBitStrings: false } as never);
  const names = sequence(asn1.create(asn1.Class.CONTEXT_SPECIFIC, URI_NAME, false, identity));
  const extension = sequence(oid(SUBJECT_ALT_NAME), asn1.create(asn1.Class.UNIVERSAL, asn1.Type.BOOLEAN, false, '\u00ff'), octets(asn1.toDer(names).getBytes()));
  const attribute = sequence(oid(EXTENSION_REQUEST), asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SET, true, [sequence(extension)]));
  return sequence(
    asn1.create(asn1.Class.UNIVERSAL, asn1.Type.INTEGER, false, '\u0000'),
    sequence(),
    subjectPublicKeyInfo,
    asn1.create(asn1.Class.CONTEXT_SPECIFIC, 0, true, [attribute]),
  );
}

const sequence = (...parts: Asn1.Asn1[]): Asn1.Asn1 => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
const oid = (text: string): Asn1.Asn1 => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(text).getBytes());
const octets = (bytes: string): Asn1.Asn1 => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.OCTETSTRING, false, bytes);
const bitString = (bytes: Buffer): Asn1.Asn1 => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.BITSTRING, false, `\u0000${bytes.toString('latin1')}`);
