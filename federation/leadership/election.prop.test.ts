import test from 'ava';
import fc from 'fast-check';
import { type Candidate, candidate, type Election, mayWrite, planElection, reduceElection, TIMES, UNKNOWING } from './election.ts';
import type { Lease } from './lease.ts';

const PODS = 3;

/** A write that was asked for: the API server takes it, the answer comes, or neither does, at any time later. */
interface Write {
  readonly process: Process;
  readonly over: Lease | undefined;
  readonly askedMs: number;
  result: Lease | 'refused' | undefined;
}

interface Process {
  readonly me: Candidate;
  /** What its clock is ahead of the model's time. */
  readonly aheadMs: number;
  state: Election;
  /** One at a time. */
  asking: Write | undefined;
  isAlive: boolean;
}

type Step =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'act' | 'watch' | 'lose' | 'restart'; readonly pod: number }
  /** Of the write that is so many before the last one. */
  | { readonly kind: 'commit' | 'answer'; readonly back: number }
  /** An administrator removes the Lease. */
  | { readonly kind: 'remove' };

class Model {
  nowMs = 0;
  lease: Lease | undefined;
  readonly writes: Write[] = [];
  readonly processes: Process[];
  #versions = 0;
  #lives = 0;

  constructor(aheadMs: readonly number[]) {
    this.processes = aheadMs.map((ahead, pod) => this.#process(pod, ahead));
  }

  get leaders(): readonly Process[] {
    return this.processes.filter((process) => process.isAlive && mayWrite(process.state, this.#clock(process)));
  }

  step(step: Step): void {
    switch (step.kind) {
      case 'pass':
        this.nowMs += step.ms;
        return;
      case 'remove':
        this.lease = undefined;
        return;
      case 'commit':
        return this.#commit(this.writes.at(-1 - step.back));
      case 'answer':
        return this.#answer(this.writes.at(-1 - step.back));
      default:
        return this.#of(step.kind, step.pod);
    }
  }

  #of(kind: 'act' | 'watch' | 'lose' | 'restart', pod: number): void {
    const process = this.processes[pod] as Process;
    switch (kind) {
      case 'watch':
        process.state = reduceElection(process.state, { kind: 'saw', lease: this.lease, nowMs: this.#clock(process) });
        return;
      case 'lose':
        // It waits no longer; the API server may take the write yet.
        process.asking = undefined;
        return;
      case 'restart':
        process.isAlive = false;
        this.processes[pod] = this.#process(pod, process.aheadMs);
        return;
      case 'act':
        return this.#act(process);
      default:
        return kind satisfies never;
    }
  }

  #act(process: Process): void {
    if (process.asking !== undefined) return;
    const nowMs = this.#clock(process);
    process.state = reduceElection(process.state, { kind: 'time', nowMs });
    const action = planElection(process.state, process.me, nowMs);
    if (action.kind === 'read') process.state = reduceElection(process.state, { kind: 'saw', lease: this.lease, nowMs });
    if (action.kind !== 'write') return;
    process.asking = { process, over: action.over, askedMs: nowMs, result: undefined };
    this.writes.push(process.asking);
  }

  #commit(write: Write | undefined): void {
    if (write === undefined || write.result !== undefined) return;
    if (write.over?.version !== this.lease?.version) {
      write.result = 'refused';
      return;
    }
    this.lease = { name: 'leader', version: String(++this.#versions), holder: write.process.me.identity, durationMs: TIMES.leaseMs, transitions: 0, annotations: {} };
    write.result = this.lease;
  }

  #answer(write: Write | undefined): void {
    if (write?.result === undefined || write.process.asking !== write) return;
    write.process.asking = undefined;
    write.process.state = reduceElection(write.process.state, write.result === 'refused' ? { kind: 'refused' } : { kind: 'wrote', lease: write.result, askedMs: write.askedMs });
  }

  #process(pod: number, aheadMs: number): Process {
    return { me: candidate(`pod-${pod}`, String(++this.#lives)), aheadMs, state: UNKNOWING, asking: undefined, isAlive: true };
  }

  #clock({ aheadMs }: Process): number {
    return this.nowMs + aheadMs;
  }
}

const pods = fc.nat({ max: PODS - 1 });
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.oneof(fc.nat({ max: 500 }), fc.constantFrom(TIMES.retryMs, TIMES.renewMs, TIMES.leaseMs - 1, TIMES.leaseMs)) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('act', 'act', 'watch', 'lose' as const), pod: pods }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), pod: pods }) },
  // Mostly at once; an old one may be taken late.
  { weight: 12, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'answer' as const), back: fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 2 }) }, { weight: 1, arbitrary: fc.nat({ max: 20 }) }) }) },
);
const stepsArbitrary = (most: number): fc.Arbitrary<Step[]> => fc.array(stepArbitrary, { maxLength: most, size: 'max' });
const clocks = fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { minLength: PODS, maxLength: PODS });

/** Everybody is answered at once, for a minute. */
function calm(model: Model): void {
  for (let i = 0; i < 120; i++) {
    for (let pod = 0; pod < PODS; pod++) {
      model.step({ kind: 'lose', pod });
      model.step({ kind: 'act', pod });
      if (model.processes[pod]?.asking === undefined) continue;
      model.step({ kind: 'commit', back: 0 });
      model.step({ kind: 'answer', back: 0 });
    }
    model.step({ kind: 'pass', ms: 500 });
  }
}

test('whatever is lost, late or restarted, no two lead at one moment; and one does once all is calm', (t) => {
  let terms = 0;
  fc.assert(fc.property(clocks, stepsArbitrary(300), (aheadMs, steps) => {
    const model = new Model(aheadMs);
    for (const step of steps) {
      model.step(step);
      const { length } = model.leaders;
      if (length > 1) return false;
      terms += length;
    }
    calm(model);
    return model.leaders.length === 1;
  }), { numRuns: 1000 });
  t.true(terms > 3000, `hardly anybody ever led: ${terms}`);
});

test('a lead that can not be renewed ends before another may begin', (t) => {
  const model = new Model([0, 5000, -5000]);
  calm(model);
  const [leader] = model.leaders;
  const pod = model.processes.indexOf(leader as Process);
  const others = [0, 1, 2].filter((other) => other !== pod);
  let endedMs: number | undefined;
  for (const begunMs = model.nowMs; model.leaders[0] === leader || model.leaders.length === 0; model.step({ kind: 'pass', ms: 100 })) {
    if (model.leaders.length === 0) endedMs ??= model.nowMs;
    if (model.nowMs - begunMs > 60_000) break;
    for (const other of others) {
      model.step({ kind: 'act', pod: other });
      if (model.processes[other]?.asking === undefined) continue;
      model.step({ kind: 'commit', back: 0 });
      model.step({ kind: 'answer', back: 0 });
    }
  }
  t.is(model.leaders.length, 1);
  t.true(endedMs !== undefined && model.nowMs - endedMs >= 2000, `${model.nowMs} after ${endedMs}`);
});

test('a Lease that was removed is made anew by one', (t) => {
  const model = new Model([0, 0, 0]);
  calm(model);
  model.step({ kind: 'remove' });
  calm(model);
  t.is(model.leaders.length, 1);
  t.is(model.lease?.holder, model.leaders[0]?.me.identity);
});
