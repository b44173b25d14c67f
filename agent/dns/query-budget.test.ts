import test from 'ava';
import { QueryBudget } from './query-budget.ts';

test('each pod has its share, and the node has one', (t) => {
  const budget = new QueryBudget({ ofPod: 2, ofNode: 3 });
  const [first, second] = [budget.take('a'), budget.take('a')];
  t.is(budget.take('a'), undefined, 'the pod has no more');
  const third = budget.take('b');
  t.is(budget.take('c'), undefined, 'the node has no more');
  t.is(budget.total, 3);
  first?.[Symbol.dispose]();
  t.not(budget.take('c'), undefined);
  second?.[Symbol.dispose]();
  t.not(budget.take('a'), undefined, 'what was given back');
  third?.[Symbol.dispose]();
  t.is(budget.total, 2);
});
