import { X509Certificate } from 'node:crypto';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { TlsContext } from '@landbridge/native/tls-context.ts';

interface HeldCertificate {
  readonly keyPem: string;
  readonly chainPem: string;
  /** Of the certificate and the roots: connections that were made under another one are not used again. */
  readonly generation: number;
  readonly notAfterMs: number;
  /** Undefined until it is used: it takes some 30 KiB, and most pods of a node rest. */
  context: TlsContext | undefined;
}

/** The certificates that one data thread was told of, with the roots that peers are verified against. */
export class ThreadCertificates implements Disposable {
  readonly #held = new Map<SpiffeId, HeldCertificate>();
  readonly #refused: (error: LandbridgeError) => void;
  #rootsPem: readonly string[] = [];
  #generation = 0;

  /** `refused` is told of each certificate that OpenSSL does not take; the one before it stays. */
  constructor(refused: (error: LandbridgeError) => void) {
    this.#refused = refused;
  }

  /** Whether it can be used from now on. */
  set(identity: SpiffeId, keyPem: string, chainPem: string): boolean {
    const context = this.#make(keyPem, chainPem);
    if (context === undefined) return false;
    const isUsed = this.#held.get(identity)?.context !== undefined;
    this.delete(identity);
    if (!isUsed) context[Symbol.dispose]();
    this.#held.set(identity, { keyPem, chainPem, generation: ++this.#generation, notAfterMs: Date.parse(new X509Certificate(chainPem).validTo), context: isUsed ? context : undefined });
    return true;
  }

  delete(identity: SpiffeId): void {
    this.#held.get(identity)?.context?.[Symbol.dispose]();
    this.#held.delete(identity);
  }

  /** Other roots: all identities begin anew under them. */
  trust(rootsPem: readonly string[]): readonly SpiffeId[] {
    this.#rootsPem = rootsPem;
    return [...this.#held].filter(([identity, { keyPem, chainPem }]) => this.set(identity, keyPem, chainPem)).map(([identity]) => identity);
  }

  /** What is known of an identity's certificate; undefined where there is none. */
  find(identity: SpiffeId): Pick<HeldCertificate, 'generation' | 'notAfterMs'> | undefined {
    return this.#held.get(identity);
  }

  /** To shake hands as an identity. The caller holds it for as long as it needs it. */
  contextOf(identity: SpiffeId): TlsContext | undefined {
    const held = this.#held.get(identity);
    return held === undefined ? undefined : (held.context ??= this.#make(held.keyPem, held.chainPem));
  }

  #make(keyPem: string, chainPem: string): TlsContext | undefined {
    try {
      return new TlsContext({ keyPem, chainPem, rootsPem: this.#rootsPem, protocol: 'h2' });
    } catch (thrown) {
      this.#refused(LandbridgeError.from(thrown));
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    for (const identity of [...this.#held.keys()]) this.delete(identity);
  }
}
