import test from 'ava';
import fc from 'fast-check';
import { type Answer, answered, FIRST_WINDOW, FIRST_WRITES, LEAST_WRITES, MOST_WRITES, type WriteWindow, writesAtOnce } from './write-window.ts';

/** After so many answers of one kind. */
function after(window: WriteWindow, count: number, ms: (window: WriteWindow) => number, busy = 0.2): WriteWindow {
  let next = window;
  for (let i = 0; i < count; i++) next = answered(next, 'written', ms(next), busy);
  return next;
}

test('while answers come as fast as the first ones more are written at once, up to a bound', (t) => {
  t.is(writesAtOnce(FIRST_WINDOW), FIRST_WRITES);
  t.is(writesAtOnce(after(FIRST_WINDOW, 190, () => 5)), MOST_WRITES);
  t.true(writesAtOnce(after(FIRST_WINDOW, 10_000, () => 5)) >= MOST_WRITES / 2);
});

test('a server that does one thing at a time is not given more than waits a little', (t) => {
  const window = after(FIRST_WINDOW, 2000, ({ limit }) => 5 * Math.max(1, limit));
  t.true(writesAtOnce(window) <= 4, `${window.limit}`);
});

test('refusals halve what is under way, and one write is always allowed', (t) => {
  const wide = after(FIRST_WINDOW, 190, () => 5);
  const refused = answered(wide, 'refused', 5, 0);
  t.is(writesAtOnce(refused), MOST_WRITES / 2);
  let window = refused;
  for (let i = 0; i < 20; i++) window = answered(window, 'refused', 5, 0);
  t.is(writesAtOnce(window), LEAST_WRITES);
  t.true(writesAtOnce(after(window, 500, () => 5)) > LEAST_WRITES);
});

test('a process that has no time left writes one after the other', (t) => {
  const wide = after(FIRST_WINDOW, 1000, () => 5);
  const busy = after(wide, 1000, () => 5, 0.99);
  t.is(writesAtOnce(busy), LEAST_WRITES);
  t.true(writesAtOnce(after(busy, 1000, () => 5)) >= MOST_WRITES / 2);
});

test('a server that has become slower is known as such after a while', (t) => {
  const slower = after(after(FIRST_WINDOW, 300, () => 5), 1000, () => 50);
  t.true(writesAtOnce(slower) >= MOST_WRITES / 2);
});

test('whatever is answered, the bounds hold', (t) => {
  const answer = fc.tuple(fc.constantFrom<Answer>('written', 'refused'), fc.double({ min: 0, max: 1e5, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 500 }), (answers) => {
      let window = FIRST_WINDOW;
      for (const each of answers) {
        window = answered(window, ...each);
        t.true(writesAtOnce(window) >= LEAST_WRITES && writesAtOnce(window) <= MOST_WRITES);
      }
    }),
    { numRuns: 100 },
  );
});
