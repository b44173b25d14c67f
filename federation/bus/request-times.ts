/** How long a hub is waited for: one of several servers elects leaders anew when a server goes, in 4 to 9 s, and whoever asks meanwhile gets no answer, or a refusal. */
import type { RetryTimes } from '@landbridge/core/retry-delay.ts';

const FIRST_ANSWER_MS = 1000;
/** Enough for an answer of which a part was lost on the way and had to be sent again. What was asked of a hub without a leader is never answered, also when it has one. */
const NEXT_ANSWER_MS = 2000;
/** Where so many tries were in vain it is no election: perhaps the way is that slow. */
const MANY = 6;
const SLOW_ANSWER_MS = 5000;
/** Longer than an election takes. */
export const TRIES_MS = 15_000;
/** Between two tries: as many as there are members ask at the same time. */
export const RETRY: RetryTimes = { firstMs: 100, mostMs: 1000 };

/** For the answer to one try. */
export function answerTimeout(failures: number): number {
  if (failures >= MANY) return SLOW_ANSWER_MS;
  return failures === 0 ? FIRST_ANSWER_MS : NEXT_ANSWER_MS;
}
