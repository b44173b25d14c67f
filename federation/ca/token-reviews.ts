import { LandbridgeError } from '@landbridge/core/errors.ts';
import { setNewest } from '@landbridge/core/newest.ts';
import { orAborted } from '@landbridge/core/or-aborted.ts';
import { metrics } from '../metrics.ts';
import { RefusalBudget, type Taken } from './refusal-budget.ts';

/** What the API server says of a token that it accepted (authentication.k8s.io/v1 TokenReview). */
export interface ReviewedToken {
  readonly username: string;
  readonly node: string | undefined;
  readonly pod: string | undefined;
}

/** Asks the API server whether a token is good for an audience. Undefined: it is not. */
export type TokenReviewer = (token: string, audience: string) => Promise<ReviewedToken | undefined>;

/** A token that was taken away is believed for this long. */
const ACCEPTED_MS = 30_000;
/** One that was refused may become good, and is not asked about again and again until then. */
const REFUSED_MS = 5000;
/** Of each kind; beyond, those that were reviewed longest ago are forgotten. */
const MAX_VERDICTS = 1000;
/** Of tokens that were never good. */
const MAX_UNDER_WAY = 32;
/** With those that were good before, and are asked about again. */
const MAX_UNDER_WAY_IN_ALL = 64;
const TIMEOUT_MS = 5000;

const FREE: Taken = { accepted: () => {}, refused: () => {} };

interface Verdict {
  readonly reviewed: ReviewedToken;
  readonly untilMs: number;
}

/**
 * Reviews tokens at the API server, and no more of them than that can stand: whoever reaches this service can send it any
 * number. Tokens that were good are asked about before those that nobody knows. Keyed by hashes, never by tokens: keys of a
 * map end in dumps.
 */
export class TokenReviews {
  readonly #review: TokenReviewer;
  readonly #audience: string;
  readonly #clock: () => number;
  #budget: RefusalBudget | undefined;
  readonly #accepted = new Map<string, Verdict>();
  readonly #refused = new Map<string, number>();
  /** Who comes with the same token at the same time waits for one answer. */
  readonly #underWay = new Map<string, Promise<ReviewedToken | undefined>>();

  /** `clock`: milliseconds, never going back. */
  constructor(review: TokenReviewer, audience: string, clock: () => number) {
    this.#review = review;
    this.#audience = audience;
    this.#clock = clock;
  }

  /**
   * @param key A hash of the token.
   * @param source Whose token it is, such as the address that it came from.
   * @throws LandbridgeError `token-reviews-busy`, retryable, where the API server is not asked now, or does not answer in time; whatever the reviewer throws
   */
  async verdict(token: string, key: string, source: string): Promise<ReviewedToken | undefined> {
    const nowMs = this.#clock();
    const known = this.#accepted.get(key);
    if (known !== undefined && known.untilMs > nowMs) return known.reviewed;
    if ((this.#refused.get(key) ?? -Infinity) > nowMs) return undefined;
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return await underWay;
    const taken = this.#take(source, known !== undefined, nowMs);
    if (taken === undefined) {
      metrics.tokenReviews.inc({ result: 'limited' });
      throw new LandbridgeError('token-reviews-busy', 'too many tokens to review: try again later', { retryable: true });
    }
    const question = this.#ask(token, key, taken).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, question);
    return await question;
  }

  /** Undefined where nothing is left. A token that was good costs nothing of what its source may ask: whoever sends bad ones may have an agent's address, behind a translation. */
  #take(source: string, wasGood: boolean, nowMs: number): Taken | undefined {
    if (wasGood) return this.#underWay.size < MAX_UNDER_WAY_IN_ALL ? FREE : undefined;
    this.#budget ??= new RefusalBudget(nowMs);
    return this.#underWay.size < MAX_UNDER_WAY ? this.#budget.take(source, nowMs) : undefined;
  }

  async #ask(token: string, key: string, taken: Taken): Promise<ReviewedToken | undefined> {
    let reviewed: ReviewedToken | undefined;
    try {
      reviewed = await orAborted(this.#review(token, this.#audience), AbortSignal.timeout(TIMEOUT_MS));
    } catch (thrown) {
      metrics.tokenReviews.inc({ result: 'failed' });
      throw thrown;
    }
    if (reviewed === undefined) {
      metrics.tokenReviews.inc({ result: 'refused' });
      taken.refused(this.#clock());
      this.#accepted.delete(key);
      setNewest(this.#refused, key, this.#clock() + REFUSED_MS, MAX_VERDICTS);
    } else {
      metrics.tokenReviews.inc({ result: 'accepted' });
      taken.accepted();
      this.#refused.delete(key);
      setNewest(this.#accepted, key, { reviewed, untilMs: this.#clock() + ACCEPTED_MS }, MAX_VERDICTS);
    }
    return reviewed;
  }
}
