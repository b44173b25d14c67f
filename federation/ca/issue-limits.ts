import { setNewest } from '@landbridge/core/newest.ts';
import { TokenBucket } from '@landbridge/core/token-bucket.ts';
import type { VerifiedAgent } from './authenticator.ts';

/** An agent that starts asks once for each identity of its node, of which there are at most as many as pods; later each is renewed twice a day. */
const PER_AGENT = { burst: 500, perSecond: 5 };
/** One signature takes a processor some tenths of a millisecond, with all around it some 2. */
const IN_TOTAL = { burst: 2000, perSecond: 100 };
/** Agents that are remembered; beyond, those who were quiet longest are forgotten and begin anew. */
const MAX_AGENTS = 10_000;

/** How many certificates may be asked for: each agent by itself, so that one that is broken or taken over does not keep the others from theirs, and all together. */
export class IssueLimits {
  readonly #agents = new Map<string, TokenBucket>();
  readonly #total: TokenBucket;

  constructor(nowMs: number) {
    this.#total = new TokenBucket(IN_TOTAL, nowMs);
  }

  /** Whether one more request may be looked at. What was refused to an agent is not taken from the others. */
  take({ namespace, pod }: VerifiedAgent, nowMs: number): boolean {
    const key = `${namespace}/${pod}`;
    const own = this.#agents.get(key) ?? new TokenBucket(PER_AGENT, nowMs);
    setNewest(this.#agents, key, own, MAX_AGENTS);
    return own.take(nowMs) && this.#total.take(nowMs);
  }
}
