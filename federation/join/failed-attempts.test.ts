import test from 'ava';
import { ATTEMPT_WINDOW_MS, FailedAttempts, MAX_FAILED_ATTEMPTS, MAX_SENDERS } from './failed-attempts.ts';

test('after ten failures in a minute a sender is not heard, others are, and it is again once the minute has passed', (t) => {
  const attempts = new FailedAttempts();
  for (let n = 0; n < MAX_FAILED_ATTEMPTS; n++) {
    t.true(attempts.mayTry('a', 1000 + n));
    attempts.failed('a', 1000 + n);
  }
  t.false(attempts.mayTry('a', 2000));
  t.true(attempts.mayTry('b', 2000));
  t.false(attempts.mayTry('a', 1000 + ATTEMPT_WINDOW_MS - 1));
  t.true(attempts.mayTry('a', 1000 + ATTEMPT_WINDOW_MS));
});

test('of more senders than are remembered the one of longest ago is forgotten', (t) => {
  const attempts = new FailedAttempts();
  for (let n = 0; n < MAX_FAILED_ATTEMPTS; n++) attempts.failed('first', n);
  for (let n = 0; n < MAX_SENDERS - 1; n++) attempts.failed(`s${n}`, 100);
  t.false(attempts.mayTry('first', 100));
  attempts.failed('one more', 100);
  t.true(attempts.mayTry('first', 100));
});
