import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';

/** A folder with `ca.crt`, and for `client` and `server` each a `.crt`, a `.key` (PKCS #8) and a `.pem` of both. */
export interface Certificates {
  readonly directory: string;
  /** A DNS name of the server, for proxies that compare names and know no URIs. */
  readonly serverName: string;
}

const TRUST_DOMAIN = 'bench.example';
const nameOf = (end: 'client' | 'server'): string => `${end}.${TRUST_DOMAIN}`;

/** ECDSA P-256 for both ends by one authority, names as a mesh has them (SPIFFE X.509-SVID, section 2). */
export function makeCertificates(directory: string): Certificates {
  using authority = new TestAuthority(TRUST_DOMAIN);
  const write = (name: string, text: string): void => writeFileSync(path.join(directory, name), text, { mode: 0o600 });
  write('ca.crt', authority.rootPem);
  for (const end of ['client', 'server'] as const) {
    const { keyPem, chainPem } = authority.certify(`URI:${authority.identity(end)},DNS:${nameOf(end)}`);
    write(`${end}.key`, keyPem);
    write(`${end}.crt`, chainPem);
    write(`${end}.pem`, `${chainPem}${keyPem}`);
  }
  return { directory, serverName: nameOf('server') };
}
