/** What signs elsewhere: a controller at a real API server, as somebody's own would be. For tests. */
import { CertificatesV1Api, type KubeConfig, type V1CertificateSigningRequest } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { Reflector } from '@landbridge/kubernetes/reflector.ts';
import { pino } from 'pino';
import { kubeConfigAccess } from '../../kubernetes/kube-config-access.ts';
import { exampleIssuer } from '../example-authority.ts';
import { type PluggedCertificate, pluggedChain } from '../example-plugged.ts';
import { readIssuer } from '../issuer-material.ts';
import type { Signer } from '../signer.ts';
import { parseRequest, requestDer } from '../x509.ts';
import { parseRequestObject, REQUESTS_PATH } from './request-object.ts';
import { readRequestedNames } from './requested-names.ts';

export const SIGNER_NAME = 'example.com/mesh';
const silent = pino({ level: 'silent' });

/** What a controller does with a request that is approved. */
export type Answer =
  | { readonly kind: 'sign'; readonly by?: Signer; readonly forSeconds?: number }
  | { readonly kind: 'give'; readonly pem: string }
  | { readonly kind: 'fail'; readonly message: string }
  | { readonly kind: 'deny'; readonly message: string }
  | { readonly kind: 'nothing' };

export type Seen = Readonly<V1CertificateSigningRequest>;

export interface ExampleAuthorityElsewhere {
  readonly root: PluggedCertificate;
  readonly signer: Signer;
}

/** A root and an authority below it, which openssl has made. */
export function authorityElsewhere(): ExampleAuthorityElsewhere {
  const { root, chain: [issuing = root, ...others] } = pluggedChain('P-256', 2);
  const read = readIssuer({ certificate: issuing.pem, key: issuing.keyPem, chain: others.map(({ pem }) => pem).join(''), roots: root.pem }, { trustDomain: 'west.landbridge', dnsNames: [], nowMs: Date.now() + 60_000 });
  if (!read.ok) throw new Error(read.error);
  return { root, signer: read.value.signer };
}

/** One of which nobody has heard. */
export const strangerElsewhere = (): Signer => exampleIssuer('west.landbridge').signer;

export class ExampleSigningController {
  /** All that was asked of the signer, by name, as it was when it was first seen: of a request there are several events, some when it is over. */
  readonly seen = new Map<string, Seen>();
  /** Changed by tests. */
  answer: (seen: Seen) => Answer;
  readonly #signer: Signer;
  readonly #api: CertificatesV1Api;
  readonly #client: ApiServerClient;
  readonly #signerName: string;
  #next = Promise.withResolvers<Seen>();

  constructor(config: KubeConfig, signer: Signer, { answer = (): Answer => ({ kind: 'sign' }), signerName = SIGNER_NAME }: { readonly answer?: (seen: Seen) => Answer; readonly signerName?: string } = {}) {
    this.answer = answer;
    this.#signer = signer;
    this.#api = config.makeApiClient(CertificatesV1Api);
    this.#client = new ApiServerClient(kubeConfigAccess(config, 'landbridge-test/1'));
    this.#signerName = signerName;
  }

  /** The next request that was not seen before; to be asked for before it is made. */
  async next(): Promise<Seen> {
    return await this.#next.promise;
  }

  async run(signal: AbortSignal): Promise<void> {
    const watch = new Reflector(this.#client, { path: REQUESTS_PATH, query: { fieldSelector: `spec.signerName=${this.#signerName}` }, parse: parseRequestObject, keyOf: ({ name }) => name }, silent, { listSpacingMs: 100 });
    const working = new Set<Promise<void>>();
    await watch.run((names) => {
      for (const name of names) {
        const object = watch.objects.get(name);
        if (object?.outcome.kind !== 'pending') continue;
        // What is deleted meanwhile is nobody's any more.
        const work = this.#decide(name).catch(() => {}).finally(() => working.delete(work));
        working.add(work);
      }
    }, signal);
    await Promise.all(working);
  }

  async #decide(name: string): Promise<void> {
    const object = await this.#api.readCertificateSigningRequest({ name });
    const isApproved = object.status?.conditions?.some(({ type }) => type === 'Approved') === true;
    if (!this.seen.has(name)) {
      this.seen.set(name, object);
      this.#next.resolve(object);
      this.#next = Promise.withResolvers<Seen>();
    }
    const answer = this.answer(object);
    if (answer.kind === 'deny') {
      const condition = { type: 'Denied', status: 'True', reason: 'Policy', message: answer.message };
      await this.#api.replaceCertificateSigningRequestApproval({ name, body: { ...object, status: { conditions: [condition] } } });
      return;
    }
    if (!isApproved) return;
    switch (answer.kind) {
      case 'sign':
        return await this.#give(object, await this.#sign(object, answer));
      case 'give':
        return await this.#give(object, answer.pem);
      case 'fail':
        return await this.#write(object, { conditions: [...(object.status?.conditions ?? []), { type: 'Failed', status: 'True', reason: 'SignerError', message: answer.message }] });
      case 'nothing':
        return;
      default:
        return answer satisfies never;
    }
  }

  async #sign({ spec }: Seen, { by = this.#signer, forSeconds }: Extract<Answer, { readonly kind: 'sign' }>): Promise<string> {
    const requestPem = Buffer.from(spec.request, 'base64').toString('latin1');
    const [key, der] = [parseRequest(requestPem), requestDer(requestPem)];
    const names = der.ok ? readRequestedNames(der.value) : der;
    if (!key.ok || !names.ok) throw new Error('a request that nobody should have made');
    const nowMs = Date.now();
    const chain = await by.sign({ names: names.value, publicKey: key.value, requestPem, notBefore: new Date(nowMs), notAfter: new Date(nowMs + (forSeconds ?? spec.expirationSeconds ?? 3600) * 1000) }, AbortSignal.timeout(60_000));
    return chain.join('');
  }

  async #give(object: Seen, pem: string): Promise<void> {
    await this.#write(object, { ...object.status, certificate: Buffer.from(pem).toString('base64') });
  }

  async #write(object: Seen, status: NonNullable<V1CertificateSigningRequest['status']>): Promise<void> {
    await this.#api.replaceCertificateSigningRequestStatus({ name: object.metadata?.name ?? '', body: { ...object, status } });
  }
}
