import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { expect, type FuzzTarget, joinParts, splitParts } from './fuzz-target.ts';
import { type FuzzClock, fuzz, MACHINE_CLOCK, MAX_INPUT_MS } from './fuzzer.ts';
import { keepInput, readKeptInputs } from './kept-inputs.ts';
import { inputsFor, MAX_INPUT_BYTES, mutate } from './mutation.ts';

/** Time passes with each look at it, so that rounds end; work is done only where a test says so. */
function fakeClock(): FuzzClock & { readonly work: (ms: number) => void } {
  let [time, work] = [0, 0];
  return {
    now: () => (time += 1),
    worked: () => work,
    work: (ms) => {
      work += ms;
    },
  };
}
const target = (check: FuzzTarget['check'], more: Partial<FuzzTarget> = {}): FuzzTarget => ({ name: 'example', examples: [], dictionary: [], check, ...more });
const run = (each: FuzzTarget, { kept = [], clock = fakeClock() }: { kept?: readonly Uint8Array[]; clock?: FuzzClock } = {}) => fuzz(each, { ms: 20, seed: 1, kept, clock });

test('an input that fails is found, shrunk, and found again by its seed', (t) => {
  const faulty = target((input) => expect(!input.includes(0x80), 'has 0x80'));
  const { fault } = run(faulty);
  t.deepEqual(fault?.input, Uint8Array.of(0x80));
  t.regex(fault?.reason ?? '', /has 0x80/);
  const again = fuzz(faulty, { ms: 1, seed: fault?.seed ?? 0, kept: [], clock: fakeClock() }).fault;
  t.deepEqual([again?.input, again?.seed], [fault?.input, fault?.seed]);
});

test('a parser without fault has many inputs', (t) => {
  const { inputs, fault } = run(target(() => undefined));
  t.is(fault, undefined);
  t.true(inputs >= 100);
});

test('an input that takes too long is a fault, a pause for something else is not', (t) => {
  const slow = fakeClock();
  t.regex(run(target(() => slow.work(MAX_INPUT_MS + 1)), { clock: slow }).fault?.reason ?? '', /longer than 100 ms/);
  const paused = fakeClock();
  let calls = 0;
  t.is(run(target(() => paused.work(calls++ % 7 === 0 ? 1000 : 0)), { clock: paused }).fault, undefined);
});

test('the clock of the machine counts work, which waiting is not', (t) => {
  const [start, before] = [MACHINE_CLOCK.now(), MACHINE_CLOCK.worked()];
  // Another process works meanwhile.
  t.is(spawnSync(process.execPath, ['-e', 'while (process.threadCpuUsage().user < 100_000);']).status, 0);
  const waited = MACHINE_CLOCK.worked() - before;
  t.true(MACHINE_CLOCK.now() - start >= 100 && waited < 50, `${waited}`);
  while (MACHINE_CLOCK.worked() - before < waited + 2);
});

test('an input that never ends is a fault, not the end of the fuzzer', (t) => {
  const endless = target((input) => {
    while (input[0] === 1);
  }, { examples: [Uint8Array.of(1)] });
  t.like(fuzz(endless, { ms: 20, seed: 1, kept: [], clock: MACHINE_CLOCK, hangMs: 100 }).fault, { input: Uint8Array.of(1), reason: 'does not end within 100 ms' });
  const backtracks = target((input) => void /^(a+)+$/.test(Buffer.from(input).toString()), { dictionary: [Buffer.from(`${'a'.repeat(40)}b`)], examples: [Uint8Array.of(0)] });
  t.regex(fuzz(backtracks, { ms: 60_000, seed: 1, kept: [], clock: MACHINE_CLOCK, hangMs: 300 }).fault?.reason ?? '', /does not end/);
});

test('a round that waited for the processor is done again', (t) => {
  let tries = 0;
  const waits = target(() => {
    // By the clock that is told, no work at all.
    if (tries++ === 0) for (;;);
  });
  t.is(fuzz(waits, { ms: 20, seed: 1, kept: [], clock: fakeClock(), hangMs: 100 }).fault, undefined);
});

test('inputs of past failures come first, and then the examples', (t) => {
  const seen: string[] = [];
  const note = target((input) => void seen.push(Buffer.from(input).toString('hex')), { examples: [Uint8Array.of(2)] });
  run(note, { kept: [Uint8Array.of(1), Uint8Array.of(0)] });
  t.deepEqual(seen.slice(0, 3), ['01', '00', '02']);
  const { fault, inputs } = run(target((input) => expect(input[0] !== 1, 'one')), { kept: [Uint8Array.of(1)] });
  t.deepEqual([fault?.seed, inputs], [undefined, 1]);
});

test('a parser that writes into its input spoils nothing', (t) => {
  const example = Uint8Array.of(1, 2, 3);
  run(target((input) => void input.fill(0), { examples: [example] }));
  t.deepEqual(example, Uint8Array.of(1, 2, 3));
});

test('mutations go through an example, with pieces of the dictionary', (t) => {
  const inputs = fc.sample(inputsFor(target(() => undefined, { examples: [Uint8Array.of(10, 20, 30, 40)], dictionary: [Uint8Array.of(77, 78, 79)] })), { numRuns: 2000, seed: 1 });
  const has = (isOne: (input: Uint8Array) => boolean): boolean => inputs.some(isOne);
  t.true(has((input) => Buffer.from(input).equals(Buffer.of(10, 20, 30, 40))));
  t.true(has((input) => Buffer.from(input).includes(Buffer.of(77, 78, 79)) && input.includes(10)));
  t.true(has((input) => input.length < 4 && input.includes(30)));
  t.true(has((input) => input.length > MAX_INPUT_BYTES / 2));
  t.true(inputs.every((input) => input.length <= MAX_INPUT_BYTES));
});

test('each mutation does what it is named after', (t) => {
  const input = Uint8Array.of(1, 2, 3, 4);
  const half = 0x8000;
  t.deepEqual(mutate(input, { kind: 'flip', at: half, bits: 0xff }), Uint8Array.of(1, 2, 252, 4));
  t.deepEqual(mutate(input, { kind: 'set', at: half, value: 9 }), Uint8Array.of(1, 2, 9, 4));
  t.deepEqual(mutate(input, { kind: 'insert', at: half, bytes: Uint8Array.of(8, 9) }), Uint8Array.of(1, 2, 8, 9, 3, 4));
  t.deepEqual(mutate(input, { kind: 'replace', at: half, bytes: Uint8Array.of(8) }), Uint8Array.of(1, 2, 8, 4));
  t.deepEqual(mutate(input, { kind: 'remove', at: half, length: 1 }), Uint8Array.of(1, 2, 4));
  t.deepEqual(mutate(input, { kind: 'repeat', at: half, length: 2, times: 2 }), Uint8Array.of(1, 2, 3, 4, 3, 4, 3, 4));
  t.deepEqual(mutate(input, { kind: 'move', at: half, length: 2, to: 0 }), Uint8Array.of(3, 4, 1, 2));
  t.deepEqual(input, Uint8Array.of(1, 2, 3, 4));
});

test('parts survive being joined, and any bytes have parts', (t) => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (parts) => t.deepEqual(splitParts(joinParts(parts)).map((part) => Uint8Array.from(part)), parts)));
  t.deepEqual(splitParts(Uint8Array.of(0, 5, 1, 2)), [Uint8Array.of(1, 2)]);
  t.deepEqual(splitParts(Uint8Array.of(0)), []);
});

test('an input is kept once, and read back', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'landbridge-fuzz-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  t.deepEqual(readKeptInputs('x', folder), []);
  for (const bytes of [[1, 255], [], [1, 255]]) keepInput('x', Uint8Array.from(bytes), folder);
  t.deepEqual(readKeptInputs('x', folder), [Uint8Array.of(1, 255), new Uint8Array(0)]);
  for (const wrong of ['{}', '["f"]', '[1]', '["FF"]']) {
    writeFileSync(path.join(folder, 'y.json'), wrong);
    t.throws(() => readKeptInputs('y', folder), { code: 'bad-seeds' });
  }
});
