/** Hears what agents say of connections into other clusters, and tells when others are to go first. */
import type { DialReport } from '@landbridge/wire/dial-report.ts';
import type { Logger } from 'pino';
import { DueTimer } from '../consent/due-timer.ts';
import { metrics } from '../metrics.ts';
import { type Doubts, dueMs, isDoubted, passTime, takeReport } from './dial-doubts.ts';
import type { Standing } from './standing.ts';

export interface DialEvidenceOptions {
  /** Whether a cluster is a member, and not this one. */
  readonly isPeer: (cluster: string) => boolean;
  /** Called when a cluster comes to be doubted, or is not any more. */
  readonly onChange: () => void;
  readonly log: Pick<Logger, 'warn' | 'info'>;
}

export const NO_EVIDENCE: Pick<DialEvidence, 'lowered'> = { lowered: (_, standing) => standing };

export class DialEvidence {
  readonly #options: DialEvidenceOptions;
  readonly #signal: AbortSignal;
  readonly #timer = new DueTimer(() => this.#set(passTime(this.#doubts, performance.now(), this.#options.isPeer)));
  #doubts: Doubts = new Map();

  constructor(options: DialEvidenceOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** `node`: by the token of the agent, not by its word. */
  report(node: string, report: DialReport): void {
    this.#set(takeReport(this.#doubts, node, report, performance.now(), this.#options.isPeer));
  }

  /** Lowers where a cluster stands, and never more than to come after others. */
  lowered(cluster: string, standing: Standing): Standing {
    return standing === 'first' && isDoubted(this.#doubts, cluster) ? 'last' : standing;
  }

  #set(doubts: Doubts): void {
    const before = this.#doubts;
    this.#doubts = doubts;
    this.#timer.set(dueMs(doubts), performance.now(), this.#signal);
    const changed = [...new Set([...before.keys(), ...doubts.keys()])].filter((cluster) => isDoubted(before, cluster) !== isDoubted(doubts, cluster));
    for (const peer of changed) {
      if (isDoubted(doubts, peer)) this.#options.log.warn({ peer }, 'most nodes that dial a peer can not connect to it: endpoints of others go first');
      else this.#options.log.info({ peer }, 'endpoints of a peer count as before, until they fail again');
    }
    if (changed.length === 0) return;
    metrics.peersDoubted.set([...doubts.keys()].filter((cluster) => isDoubted(doubts, cluster)).length);
    this.#options.onChange();
  }
}
