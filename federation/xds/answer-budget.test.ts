import test from 'ava';
import { AnswerBudget } from './answer-budget.ts';

test('who finds no room is called when there is some', (t) => {
  const budget = new AnswerBudget(10);
  const called: string[] = [];
  t.true(budget.take(6, () => {}));
  t.false(budget.take(5, () => called.push('a')));
  t.false(budget.take(5, () => called.push('b')));
  budget.giveBack(6);
  t.deepEqual(called, ['a', 'b']);
  budget.giveBack(0);
  t.deepEqual(called, ['a', 'b'], 'each is called once');
});

test('what is larger than all goes alone', (t) => {
  const budget = new AnswerBudget(10);
  t.true(budget.take(100, () => {}));
  t.false(budget.take(1, () => {}));
  budget.giveBack(100);
  t.true(budget.take(1, () => {}));
});

test('who has gone is not called', (t) => {
  const budget = new AnswerBudget(1);
  const retry = (): void => t.fail();
  budget.take(1, () => {});
  budget.take(1, retry);
  budget.forget(retry);
  budget.giveBack(1);
  t.pass();
});
