import { createHash } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type TokenReviewer, TokenReviews } from './token-reviews.ts';

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
const MAX_TOKEN_LENGTH = 16 * 1024;

/** Knows agents by their service account tokens, which are bound to pod and node (KEP-4193). */
export class Authenticator {
  readonly #reviews: TokenReviews;
  readonly #namespace: string;

  /** `clock`: milliseconds, never going back. */
  constructor(review: TokenReviewer, namespace: string, clock: () => number) {
    this.#reviews = new TokenReviews(review, AUDIENCE, clock);
    this.#namespace = namespace;
  }

  /**
   * @param peer `<address>:<port>` of whoever calls.
   * @throws LandbridgeError `unauthenticated`; `token-reviews-busy`, retryable, where the token is not reviewed now
   */
  async agent(metadata: Metadata, peer: string): Promise<VerifiedAgent> {
    const [header] = metadata.get('authorization');
    const token = typeof header === 'string' && header.startsWith('Bearer ') ? header.slice('Bearer '.length) : '';
    if (token === '' || token.length > MAX_TOKEN_LENGTH) throw new LandbridgeError('unauthenticated', 'no service account token came with the call');
    const reviewed = await this.#reviews.verdict(token, createHash('sha256').update(token).digest('base64'), peer.slice(0, Math.max(0, peer.lastIndexOf(':'))));
    if (reviewed === undefined) throw new LandbridgeError('unauthenticated', `the token is not valid for audience ${AUDIENCE}`);
    const serviceAccount = reviewed.username.slice(`system:serviceaccount:${this.#namespace}:`.length);
    const role = reviewed.username === `system:serviceaccount:${this.#namespace}:${serviceAccount}` ? ROLES.get(serviceAccount) : undefined;
    if (role === undefined) throw new LandbridgeError('unauthenticated', `${reviewed.username} is not an agent`);
    if (reviewed.node === undefined || reviewed.pod === undefined) throw new LandbridgeError('unauthenticated', 'the token is not bound to a pod and a node', { hint: 'Kubernetes 1.32 or newer is needed.' });
    return { role, node: reviewed.node, pod: reviewed.pod, namespace: this.#namespace, serviceAccount };
  }
}
