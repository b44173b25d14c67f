import type { Writer } from '../outputs/writer.ts';
import type { ConsentReport } from './consent-report.ts';
import type { JudgedImportPolicy } from './import-policies.ts';
import { importPolicyConditions } from './import-policy-conditions.ts';

/** At most so often: what others export may change all the time. */
export const STATUS_INTERVAL_MS = 5000;

/** Says on each ImportPolicy whether it is in force, and what it keeps out. */
export class ImportPolicyStatuses {
  readonly #writer: Pick<Writer, 'writeStatus'>;
  #said: { readonly judged: readonly JudgedImportPolicy[]; readonly report: ConsentReport } | undefined;
  #nextAtMs = Number.NEGATIVE_INFINITY;
  #isLater = false;

  constructor(writer: Pick<Writer, 'writeStatus'>) {
    this.#writer = writer;
  }

  /** When there may be something left to write; undefined where there is not. */
  get nextAtMs(): number | undefined {
    return this.#isLater ? this.#nextAtMs : undefined;
  }

  /** Looks at all of them again: whoever wrote before may not have come to some. */
  seeAll(): void {
    this.#said = undefined;
  }

  /** False where something could not be written. `nowMs`: of any clock that does not go back. */
  async write(judged: readonly JudgedImportPolicy[], report: ConsentReport, now: Date, nowMs: number): Promise<boolean> {
    if (this.#said?.judged === judged && this.#said.report === report) return true;
    this.#isLater = nowMs < this.#nextAtMs;
    if (this.#isLater) return true;
    let isWritten = true;
    for (const each of judged) {
      const conditions = importPolicyConditions(each, report, now);
      if (conditions === undefined) continue;
      this.#nextAtMs = nowMs + STATUS_INTERVAL_MS;
      isWritten = (await this.#writer.writeStatus('importpolicies', each.object, { conditions }, { asRead: true })) && isWritten;
    }
    this.#said = isWritten ? { judged, report } : undefined;
    return isWritten;
  }
}
