/** Runs one parser with many inputs, until the time is over or an input has shown a fault. */
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import type { FuzzTarget } from './fuzz-target.ts';
import { inputsFor } from './mutation.ts';

/** No input may take more of a processor. Compilers and collectors of garbage come when they like: only if the fastest of some tries is over it, the parser is slow. */
export const MAX_INPUT_MS = 100;
const TRIES = 3;
/** Inputs between two looks at the clock. */
const ROUND_INPUTS = 100;
/** Shrinking stops after this, with what it has. */
const SHRINK_MS = 10_000;
/** A round that takes longer hangs in one input. Only V8 can stop that: no other code runs meanwhile. */
const HANG_MS = 30_000;

export interface Fault {
  readonly input: Uint8Array;
  readonly reason: string;
  /** Undefined for an input of a past failure. */
  readonly seed: number | undefined;
}

export interface FuzzOutcome {
  readonly inputs: number;
  readonly fault: Fault | undefined;
}

export interface FuzzOptions {
  readonly ms: number;
  readonly seed: number;
  /** Inputs of past failures, which come first. */
  readonly kept: readonly Uint8Array[];
  readonly clock: FuzzClock;
  readonly hangMs?: number;
}

export interface FuzzClock {
  /** Milliseconds that have passed. */
  readonly now: () => number;
  /** Milliseconds that this thread had a processor: on a machine with other work, time that passes says little. */
  readonly worked: () => number;
}

export const MACHINE_CLOCK: FuzzClock = {
  now: () => performance.now(),
  worked: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
};

export function fuzz(target: FuzzTarget, { ms, seed, kept, clock, hangMs = HANG_MS }: FuzzOptions): FuzzOutcome {
  const deadline = clock.now() + ms;
  let inputs = 0;
  let current = new Uint8Array(0);
  const run = (input: Uint8Array): void => {
    inputs++;
    current = Uint8Array.from(input);
    checkInTime(target, input, clock);
  };
  const faultOf = (ofSeed: number | undefined, round: () => Fault | undefined): Fault | undefined => {
    for (;;) {
      const began = clock.worked();
      let fault: Fault | undefined;
      const hasEnded = endsWithin(hangMs, () => {
        fault = round();
      });
      if (hasEnded) return fault;
      // One that had no processor did not hang: it is done again.
      if (clock.worked() - began > hangMs / 2) return { input: current, reason: `does not end within ${hangMs} ms`, seed: ofSeed };
    }
  };
  const first = faultOf(undefined, () => {
    for (const input of [...kept, ...target.examples]) {
      const reason = failureOf(() => run(input));
      if (reason !== undefined) return { input, reason, seed: undefined };
    }
    return undefined;
  });
  if (first !== undefined) return { inputs, fault: first };
  const arbitrary = inputsFor(target);
  // At least one round: a time that is too short must not look like success.
  for (let round = 0; round === 0 || clock.now() < deadline; round++) {
    const roundSeed = (seed + round) | 0;
    const fault = faultOf(roundSeed, () => {
      // The plugin is for properties of any input, and its type says so for those of unknown input only.
      const shrinkLimit = fc.interruptAfterTimeLimit(SHRINK_MS) as fc.Plugin<[Uint8Array]>;
      const details = fc.check(fc.property(arbitrary, run), { seed: roundSeed, numRuns: ROUND_INPUTS, plugins: [shrinkLimit] });
      const [input] = details.counterexample ?? [];
      // An interrupted round has no input to show; the next one goes on.
      if (!details.failed || input === undefined) return undefined;
      return { input, reason: failureOf(() => checkInTime(target, input, clock)) ?? String(details.errorInstance), seed: roundSeed };
    });
    if (fault !== undefined) return { inputs, fault };
  }
  return { inputs, fault: undefined };
}

/** Whether the action came to its end. One that did not has stopped in the middle, whatever it was doing. */
function endsWithin(ms: number, action: () => void): boolean {
  try {
    runInContext('action()', createContext({ action }), { timeout: ms });
    return true;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw thrown;
  }
}

function checkInTime(target: FuzzTarget, input: Uint8Array, { worked }: FuzzClock): void {
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const start = worked();
    // A copy: a parser that writes into its input must not spoil the next try, or what is reported. Sockets give a Buffer, whose methods are not all those of its parent.
    target.check(input.length % 2 === 0 ? Buffer.from(input) : Uint8Array.from(input));
    fastest = Math.min(fastest, worked() - start);
    if (fastest <= MAX_INPUT_MS) return;
  }
  throw new Error(`takes longer than ${MAX_INPUT_MS} ms`);
}

function failureOf(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
}
