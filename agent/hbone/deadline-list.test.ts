import test from 'ava';
import { DeadlineList } from './deadline-list.ts';

interface Item {
  readonly name: string;
}
const [a, b, c]: readonly Item[] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

function list(): { readonly deadlines: DeadlineList<Item>; readonly due: string[] } {
  const due: string[] = [];
  return { deadlines: new DeadlineList<Item>(100, ({ name }) => due.push(name)), due };
}

test('items come due in the order in which they were set, and not before', (t) => {
  const { deadlines, due } = list();
  t.is(deadlines.nextMs, Number.POSITIVE_INFINITY);
  deadlines.set(a as Item, 0);
  deadlines.set(b as Item, 10);
  t.is(deadlines.nextMs, 100);
  deadlines.expire(99);
  t.deepEqual(due, []);
  deadlines.expire(100);
  t.deepEqual(due, ['a']);
  t.is(deadlines.nextMs, 110);
  deadlines.expire(1000);
  t.deepEqual(due, ['a', 'b']);
  t.is(deadlines.size, 0);
});

test('one that is set again comes due later, one that is cleared never', (t) => {
  const { deadlines, due } = list();
  for (const item of [a, b, c]) deadlines.set(item as Item, 0);
  deadlines.set(a as Item, 50);
  deadlines.clear(b as Item);
  t.is(deadlines.nextMs, 100);
  deadlines.expire(149);
  t.deepEqual(due, ['c']);
  deadlines.expire(150);
  t.deepEqual(due, ['c', 'a']);
});

test('what is done when one comes due may set and clear others', (t) => {
  const due: string[] = [];
  const deadlines: DeadlineList<Item> = new DeadlineList<Item>(100, (item) => {
    due.push(item.name);
    deadlines.clear(b as Item);
    if (due.length === 1) deadlines.set(item, 100);
  });
  for (const item of [a, b, c]) deadlines.set(item as Item, 0);
  deadlines.expire(100);
  t.deepEqual(due, ['a', 'c']);
  deadlines.expire(200);
  t.deepEqual(due, ['a', 'c', 'a']);
});
