/** The hub's own certificate authority and server certificates. */
import { generateKeyPair, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';

export interface ServerTls {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface HubTls extends ServerTls {
  readonly caPem: string;
}

/** The authority's key is thrown away after its one signature, so the certificates must last as long as the hub. */
const YEARS = 10;
/** Clocks of joining clusters may be behind. */
const BACKDATE_MS = 60 * 60 * 1000;
/** node-forge can sign with RSA only. */
const RSA_BITS = 2048;

/** DNS names may begin with `*.`. */
export const DNS_NAME = /^(\*\.)?([A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;

/** @param hosts DNS names and IP addresses under which clusters reach the hub; at least one. */
export async function makeHubTls(hosts: readonly string[], now: Date): Promise<HubTls> {
  const { caPem, servers } = await makeHubCertificates([hosts], now);
  return { caPem, ...(servers[0] as ServerTls) };
}

/** @param hosts of each server, as for {@link makeHubTls}. Servers of one hub show each other their certificates. */
export async function makeHubCertificates(hosts: readonly (readonly string[])[], now: Date): Promise<{ readonly caPem: string; readonly servers: readonly ServerTls[] }> {
  const [authority, ...keys] = await Promise.all([makeKeys(), ...hosts.map(makeKeys)]);
  const issuer = [{ name: 'commonName', value: 'landbridge-hub-ca' }];

  const ca = blankCertificate(authority, now);
  ca.setSubject(issuer);
  ca.setIssuer(issuer);
  ca.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  ca.sign(authority.privateKey, forge.md.sha256.create());

  const servers = hosts.map((names, index): ServerTls => {
    const server = keys[index] as RsaKeys;
    const certificate = blankCertificate(server, now);
    certificate.setSubject([{ name: 'commonName', value: 'landbridge-hub' }]);
    certificate.setIssuer(issuer);
    certificate.setExtensions([
      { name: 'basicConstraints', critical: true, cA: false },
      { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', serverAuth: true, ...(hosts.length > 1 ? { clientAuth: true } : {}) },
      { name: 'subjectAltName', altNames: names.map(altName) },
      { name: 'authorityKeyIdentifier', keyIdentifier: ca.generateSubjectKeyIdentifier().getBytes() },
    ]);
    certificate.sign(authority.privateKey, forge.md.sha256.create());
    return { certificatePem: toPem(certificate), keyPem: server.pem };
  });
  return { caPem: toPem(ca), servers };
}

/** RFC 5280, section 4.2.1.6: dNSName is tag 2, iPAddress tag 7. */
function altName(host: string): { type: number; value?: string; ip?: string } {
  return isIP(host) === 0 ? { type: 2, value: host.toLowerCase() } : { type: 7, ip: host };
}

interface RsaKeys {
  readonly pem: string;
  readonly privateKey: forge.pki.rsa.PrivateKey;
  readonly publicKey: forge.pki.rsa.PublicKey;
}

/** Node makes RSA keys many times faster than forge. */
async function makeKeys(): Promise<RsaKeys> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { pem: pair.privateKey, privateKey: forge.pki.privateKeyFromPem(pair.privateKey), publicKey: forge.pki.publicKeyFromPem(pair.publicKey) };
}

function blankCertificate(keys: RsaKeys, now: Date): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  // A first octet of 01 to 7f: positive, and no octet that DER would leave out (RFC 5280, section 4.1.2.2).
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(now.getTime() - BACKDATE_MS);
  certificate.validity.notAfter = new Date(now);
  certificate.validity.notAfter.setUTCFullYear(now.getUTCFullYear() + YEARS);
  return certificate;
}

function toPem(certificate: forge.pki.Certificate): string {
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}
