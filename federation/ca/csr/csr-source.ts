import { err, ok } from '@landbridge/core/result.ts';
import type { SecretStore } from '../../kubernetes/secret-store.ts';
import { MAX_LIFETIME_SECONDS } from '../authority.ts';
import type { CaSource } from '../ca-source.ts';
import { readRoots } from '../issuer-material.ts';
import type { CertificateRequests } from './certificate-requests.ts';
import { CsrSigner } from './csr-signer.ts';
import { LEAST_EXPIRATION_SECONDS } from './request-object.ts';

export interface CsrSourceOptions {
  readonly requests: Pick<CertificateRequests, 'sign'>;
  readonly signerName: string;
  /** Where somebody else puts the roots. */
  readonly configMaps: Pick<SecretStore, 'readConfigMap'>;
  readonly configMap: string;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

/** Asked for at most, also for the service's own certificate: some signers refuse more than a day. */
const MOST_MS = MAX_LIFETIME_SECONDS * 1000;

/** A signer of the Kubernetes API, and the roots that its certificates must lead to. */
export function csrSource({ requests, signerName, configMaps, configMap, key, clock }: CsrSourceOptions): CaSource {
  return {
    place: `ConfigMap ${configMap}`,
    read: async ({ nowMs, ...demand }) => {
      const values = await configMaps.readConfigMap(configMap);
      if (values === undefined) return err('it is not there');
      const pem = values[key];
      if (pem === undefined) return err(`it has no ${key}`);
      const roots = readRoots(pem, undefined, nowMs);
      if (!roots.ok) return roots;
      const signer = new CsrSigner({ requests, roots: roots.value, demand, clock });
      const lastEndMs = Math.max(...roots.value.map(({ notAfterMs }) => notAfterMs));
      const certificates = roots.value.map(({ x509 }) => x509);
      return ok({
        id: `csr ${signerName}`,
        signer,
        roots: certificates,
        // Which of them it is, is seen only from what it gives.
        anchors: certificates,
        subject: `signer ${signerName}`,
        get notAfterMs() {
          return signer.authoritiesEndMs ?? lastEndMs;
        },
        lifetimes: { leastMs: LEAST_EXPIRATION_SECONDS * 1000, mostMs: MOST_MS },
      });
    },
  };
}
