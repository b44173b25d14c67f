import { createHash } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { LandbridgeError } from '@landbridge/core/errors.ts';

/** What the API server says of a token that it accepted (authentication.k8s.io/v1 TokenReview). */
export interface ReviewedToken {
  readonly username: string;
  readonly node: string | undefined;
  readonly pod: string | undefined;
}

/** Asks the API server whether a token is good for an audience. Undefined: it is not. */
export type TokenReviewer = (token: string, audience: string) => Promise<ReviewedToken | undefined>;

/** An agent that has proven by its token that it is one, and on which node it runs. */
export interface VerifiedAgent {
  /** A node agent speaks for the pods of its node; a gateway for itself only. */
  readonly role: 'node' | 'gateway';
  readonly node: string;
  readonly pod: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Of the tokens that Istio's node proxies use, so that one manifest's habits fit both. */
const AUDIENCE = 'istio-ca';
/** The service accounts of the charts. */
const ROLES: ReadonlyMap<string, VerifiedAgent['role']> = new Map([['landbridge-agent', 'node'], ['landbridge-gateway', 'gateway']]);
/** A token that was taken away is believed for this long. */
const CACHE_MS = 30_000;
const CACHE_ENTRIES = 1000;
const MAX_TOKEN_LENGTH = 16 * 1024;

/** Knows agents by their service account tokens, which are bound to pod and node (KEP-4193). */
export class Authenticator {
  readonly #review: TokenReviewer;
  readonly #namespace: string;
  readonly #clock: () => number;
  readonly #known = new Map<string, { readonly agent: VerifiedAgent; readonly untilMs: number }>();

  constructor(review: TokenReviewer, namespace: string, clock: () => number) {
    this.#review = review;
    this.#namespace = namespace;
    this.#clock = clock;
  }

  /** @throws LandbridgeError `unauthenticated` */
  async agent(metadata: Metadata): Promise<VerifiedAgent> {
    const [header] = metadata.get('authorization');
    const token = typeof header === 'string' && header.startsWith('Bearer ') ? header.slice('Bearer '.length) : '';
    if (token === '' || token.length > MAX_TOKEN_LENGTH) throw new LandbridgeError('unauthenticated', 'no service account token came with the call');
    // Never the token itself: keys of a map end in dumps.
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(key);
    if (known !== undefined && known.untilMs > this.#clock()) return known.agent;
    const reviewed = await this.#review(token, AUDIENCE);
    if (reviewed === undefined) throw new LandbridgeError('unauthenticated', `the token is not valid for audience ${AUDIENCE}`);
    const serviceAccount = reviewed.username.slice(`system:serviceaccount:${this.#namespace}:`.length);
    const role = reviewed.username === `system:serviceaccount:${this.#namespace}:${serviceAccount}` ? ROLES.get(serviceAccount) : undefined;
    if (role === undefined) throw new LandbridgeError('unauthenticated', `${reviewed.username} is not an agent`);
    if (reviewed.node === undefined || reviewed.pod === undefined) throw new LandbridgeError('unauthenticated', 'the token is not bound to a pod and a node', { hint: 'Kubernetes 1.32 or newer is needed.' });
    const agent = { role, node: reviewed.node, pod: reviewed.pod, namespace: this.#namespace, serviceAccount };
    if (this.#known.size >= CACHE_ENTRIES) this.#known.clear();
    this.#known.set(key, { agent, untilMs: this.#clock() + CACHE_MS });
    return agent;
  }
}
