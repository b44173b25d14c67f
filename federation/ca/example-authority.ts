/** Authorities in memory, for tests. */
import { Authority, type Issuer } from './authority.ts';
import { readOwnIssuer } from './ca-source.ts';
import { makeRoot, type RootMaterial } from './own-root.ts';
import { encodeOwnRoots } from './own-roots.ts';

/** The issuer that a root alone is. */
export function exampleIssuer(trustDomain: string, root: RootMaterial = makeRoot(trustDomain, Date.now()), nowMs = Date.now()): Issuer {
  const issuer = readOwnIssuer(encodeOwnRoots({ current: root, rotation: { kind: 'none' } }), { trustDomain, dnsNames: [], nowMs });
  if (!issuer.ok) throw new Error(issuer.error);
  return issuer.value;
}

export function exampleAuthority(trustDomain: string, root?: RootMaterial): Authority {
  return new Authority(exampleIssuer(trustDomain, root), trustDomain);
}
