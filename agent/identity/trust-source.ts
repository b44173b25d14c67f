import type { SpiffeId } from '@landbridge/core/identity.ts';
import type { Certificate } from './certificate-store.ts';
import type { TrustBundles } from './peer.ts';
import { readCertificates } from './pem-certificates.ts';

/** Says which roots vouch for which trust domain. */
export interface TrustSource {
  readonly bundles: TrustBundles;
  onBundlesChange(changed: () => void): Disposable;
}

/** Of the certificate store. */
interface KeptCertificates {
  statuses(nowMs: number): Iterable<{ readonly identity: SpiffeId; readonly certificate: Omit<Certificate, 'keyPem'> | undefined }>;
  onIssued(issued: () => void): Disposable;
}

/**
 * Roots as they come with each certificate (istio.v1.auth, the last element of `cert_chain`), for the one trust domain
 * of the authority: all of those that some certificate of now came with, so that one root follows another as certificates
 * are renewed.
 */
export class CertificateTrust implements TrustSource {
  readonly #certificates: KeptCertificates;
  readonly #trustDomain: string;
  readonly #changed = new Set<() => void>();
  #pems: readonly string[] = [];
  bundles: TrustBundles = new Map();

  constructor(certificates: KeptCertificates, trustDomain: string) {
    this.#certificates = certificates;
    this.#trustDomain = trustDomain;
    certificates.onIssued(() => this.#collect());
  }

  onBundlesChange(changed: () => void): Disposable {
    this.#changed.add(changed);
    return { [Symbol.dispose]: () => this.#changed.delete(changed) };
  }

  #collect(): void {
    const found = new Set<string>();
    for (const { certificate } of this.#certificates.statuses(Date.now())) if (certificate !== undefined) found.add(certificate.rootsPem);
    const pems = [...found].sort();
    if (pems.length === this.#pems.length && pems.every((pem, i) => pem === this.#pems[i])) return;
    this.#pems = pems;
    const roots = new Map(pems.flatMap(readCertificates).map((root) => [root.fingerprint256, root]));
    this.bundles = new Map([[this.#trustDomain, [...roots.values()]]]);
    for (const changed of this.#changed) changed();
  }
}
