/** How many writes to the API server are under way at once: as many as it answers without letting them wait. Pure. */

export const LEAST_WRITES = 1;
export const FIRST_WRITES = 4;
export const MOST_WRITES = 16;
/** Writes that may wait at the API server, by how much longer answers take than the fastest one: with fewer there is room for more, with more there are too many (TCP Vegas). */
const ROOM_BELOW = 1;
const FULL_ABOVE = 3;
/** The fastest answer is looked for anew after so many, with half as many writes under way: an object may have become larger, or the server slower. */
const ANSWERS_OF_A_ROUND = 200;
/** Of the time of this process: above this what agents wait for comes late, and writes give way. */
const BUSY_ABOVE = 0.9;

export type Answer = 'written' | 'refused';

export interface WriteWindow {
  /** Not a whole number: it grows by one when all that may be under way was answered in time. */
  readonly limit: number;
  /** The fastest answer, of this round and of the one before. */
  readonly fastestMs: number;
  readonly fastestBeforeMs: number;
  readonly answers: number;
}

export const FIRST_WINDOW: WriteWindow = { limit: FIRST_WRITES, fastestMs: Number.POSITIVE_INFINITY, fastestBeforeMs: Number.POSITIVE_INFINITY, answers: 0 };

/** `busy`: the part of the last moments in which this process had something to do, 0 to 1. */
export function answered(window: WriteWindow, answer: Answer, ms: number, busy: number): WriteWindow {
  if (answer === 'refused') return { ...window, limit: Math.max(LEAST_WRITES, window.limit / 2) };
  const isNewRound = window.answers >= ANSWERS_OF_A_ROUND;
  const fastestMs = isNewRound ? ms : Math.min(window.fastestMs, ms);
  const fastestBeforeMs = isNewRound ? window.fastestMs : window.fastestBeforeMs;
  const before = isNewRound ? window.limit / 2 : window.limit;
  const waiting = before * (1 - Math.min(fastestMs, fastestBeforeMs) / Math.max(ms, Number.EPSILON));
  const step = (busy > BUSY_ABOVE || waiting > FULL_ABOVE ? -1 : waiting < ROOM_BELOW ? 1 : 0) / before;
  return { limit: Math.min(MOST_WRITES, Math.max(LEAST_WRITES, before + step)), fastestMs, fastestBeforeMs, answers: isNewRound ? 1 : window.answers + 1 };
}

export const writesAtOnce = ({ limit }: WriteWindow): number => Math.floor(limit);
