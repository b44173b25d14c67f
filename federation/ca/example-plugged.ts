/** Authorities as others make them, by openssl, so that no code of ours is tried with itself. For tests. */
import { openssl } from './example-requests.ts';

export interface PluggedCertificate {
  readonly pem: string;
  readonly keyPem: string;
}

export interface PluggedOptions {
  /** `rsa:2048`, or a curve. */
  readonly key?: string;
  readonly days?: number;
  /** Further lines of openssl's extension section, in place of the usual ones where they have the same name. */
  readonly extensions?: Readonly<Record<string, string | undefined>>;
}

let serial = 1000;

export function pluggedKey(kind = 'P-256'): string {
  return kind.startsWith('rsa:') ? openssl(['genpkey', '-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${kind.slice('rsa:'.length)}`]) : openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${kind}`]);
}

/** Signed by the issuer, or by itself. */
export function pluggedAuthority(name: string, issuer: PluggedCertificate | undefined, { key, days = 30, extensions = {} }: PluggedOptions = {}): PluggedCertificate {
  const keyPem = pluggedKey(key);
  const lines = { basicConstraints: 'critical,CA:TRUE', keyUsage: 'critical,keyCertSign,cRLSign', subjectKeyIdentifier: 'hash', ...extensions };
  const section = Object.entries(lines).filter(([, value]) => value !== undefined).map(([line, value]) => `${line}=${value}\n`).join('');
  const request = openssl(['req', '-new', '-key', '@key.pem', '-subj', `/O=Example/OU=Security/CN=${name}`], { 'key.pem': keyPem });
  const signer = issuer === undefined ? ['-signkey', '@key.pem'] : ['-CA', '@ca.pem', '-CAkey', '@ca.key'];
  const pem = openssl(['x509', '-req', '-in', '@csr.pem', ...signer, '-set_serial', String(serial++), '-days', String(days), '-extfile', '@ext'], { 'csr.pem': request, 'key.pem': keyPem, 'ca.pem': issuer?.pem ?? '', 'ca.key': issuer?.keyPem ?? '', ext: section });
  return { pem, keyPem };
}

/** A root, and as many authorities below it, the last of which signs; of one kind of key. */
export function pluggedChain(key: string, intermediates = 1): { readonly root: PluggedCertificate; readonly chain: readonly PluggedCertificate[] } {
  const root = pluggedAuthority('root', undefined, { key });
  const chain: PluggedCertificate[] = [];
  for (let i = 0; i < intermediates; i++) chain.unshift(pluggedAuthority(`intermediate ${i}`, chain[0] ?? root, { key }));
  return { root, chain };
}
