import type { KeyObject } from 'node:crypto';
import { type IssuerName, makeCertificate, type SubjectName } from './x509.ts';

/** One certificate that is to be made. */
export interface SigningRequest {
  readonly names: readonly SubjectName[];
  /** Of whoever will have the certificate, who has proven to have the private key. */
  readonly publicKey: KeyObject;
  /** PKCS#10, PEM: signed by that key. Names are those of this request: a signer that has to pass it on refuses one with others. */
  readonly requestPem: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Signs certificates: with a key that is here, or by asking somebody else. Whoever calls it has decided who may have the
 * certificate, and looks at what comes back as at any other foreign bytes.
 */
export interface Signer {
  /** PEM: the leaf, then what stands between it and a root. @throws LandbridgeError retryable where the signer is away for now, `request-refused` where it can not pass this request on, `ca-refused` where it will not sign it */
  sign(request: SigningRequest, signal: AbortSignal): Promise<readonly string[]>;
}

/** Signs with the key of an authority's own certificate. */
export class KeySigner implements Signer {
  readonly #key: KeyObject;
  readonly #issuer: IssuerName;
  readonly #chainPem: readonly string[];

  /** `chainPem`: the authority's own certificate where it is no root, and those above it. */
  constructor(key: KeyObject, issuer: IssuerName, chainPem: readonly string[]) {
    this.#key = key;
    this.#issuer = issuer;
    this.#chainPem = chainPem;
  }

  async sign({ names, publicKey, notBefore, notAfter }: SigningRequest): Promise<readonly string[]> {
    return [makeCertificate({ subject: '', issuer: this.#issuer, notBefore, notAfter, publicKey, isAuthority: false, names }, this.#key), ...this.#chainPem];
  }
}
