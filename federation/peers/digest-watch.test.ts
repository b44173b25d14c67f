import test from 'ava';
import { DEFAULT_DIGEST_TIMES, type DigestStep, type Differences, differs, nextDifferences } from './digest-watch.ts';

const { graceMs, rereadMs, againMs } = DEFAULT_DIGEST_TIMES;

/** What is done at each of these times, in all of which west differs. */
function steps(...times: readonly number[]): DigestStep[] {
  let differences: Differences = new Map();
  return times.map((nowMs) => {
    const step = nextDifferences(differences, new Map([['west', false], ['north', true]]), nowMs, DEFAULT_DIGEST_TIMES);
    differences = step.differences;
    return step;
  });
}

test('a difference that goes by itself costs nothing', (t) => {
  const [first] = steps(0);
  t.deepEqual([first?.reread, first?.asks], [[], []]);
  const next = nextDifferences(first?.differences ?? new Map(), new Map([['west', true]]), graceMs, DEFAULT_DIGEST_TIMES);
  t.deepEqual([next.reread, next.differences.size], [[], 0]);
});

test('one that stays is mended by another reading first, then its owner is asked, and it is read again from time to time', (t) => {
  const made = steps(0, graceMs - 1, graceMs, graceMs + 1, graceMs + rereadMs, graceMs + againMs);
  t.deepEqual(made.map(({ reread }) => reread), [[], [], ['west'], [], [], ['west']]);
  t.deepEqual(made.map(({ asks }) => asks), [[], [], [], [], ['west'], ['west']]);
  t.deepEqual(made.map(({ differences }, index) => differs(differences, 'west', [0, graceMs - 1, graceMs][index] ?? graceMs, DEFAULT_DIGEST_TIMES)), [false, false, true, true, true, true]);
  t.false(differs(made[0]?.differences ?? new Map(), 'north', graceMs, DEFAULT_DIGEST_TIMES));
});

test('of whom nothing can be said, nothing is remembered', (t) => {
  const [first] = steps(0);
  t.is(nextDifferences(first?.differences ?? new Map(), new Map(), 1, DEFAULT_DIGEST_TIMES).differences.size, 0);
});

test('while records of it are about to be looked at, a difference neither begins nor ends nor is acted on', (t) => {
  const unknown = new Map([['west', undefined]]);
  t.is(nextDifferences(new Map(), unknown, 0, DEFAULT_DIGEST_TIMES).differences.size, 0);
  const [first] = steps(0);
  const meanwhile = nextDifferences(first?.differences ?? new Map(), unknown, graceMs, DEFAULT_DIGEST_TIMES);
  t.deepEqual(meanwhile.reread, []);
  t.deepEqual(nextDifferences(meanwhile.differences, new Map([['west', false]]), graceMs + 1, DEFAULT_DIGEST_TIMES).reread, ['west']);
});
