import test from 'ava';
import { MANAGED_BY, MANAGED_BY_LABEL, MCS_SERVICE_LABEL } from '../kubernetes/types.ts';
import { OwnObjects } from './own-objects.ts';

const ours = (name: string, of?: string) => ({ metadata: { namespace: 'shop', name, labels: { [MANAGED_BY_LABEL]: MANAGED_BY, ...(of === undefined ? {} : { [MCS_SERVICE_LABEL]: of }) } } });

test('objects are found by their import, an import by itself', (t) => {
  const own = new OwnObjects();
  t.deepEqual(own.set('imports', 'shop/cart', ours('cart')), ['shop/cart']);
  t.deepEqual(own.set('slices', 'shop/x', ours('x', 'cart')), ['shop/cart']);
  t.deepEqual(own.of('shop/cart').map(({ metadata }) => metadata?.name), ['cart', 'x']);
  t.deepEqual([...own.imports()], ['shop/cart']);
});

test('what changes its import, or is somebody else’s from now on, is about both', (t) => {
  const own = new OwnObjects();
  own.set('slices', 'shop/x', ours('x', 'cart'));
  t.deepEqual(own.set('slices', 'shop/x', ours('x', 'pay')), ['shop/cart', 'shop/pay']);
  t.deepEqual(own.set('slices', 'shop/x', { metadata: { namespace: 'shop', name: 'x' } }), ['shop/pay']);
  t.deepEqual(own.set('slices', 'shop/x', undefined), []);
  t.deepEqual([...own.imports()], []);
});

test('a kind that is gone is forgotten', (t) => {
  const own = new OwnObjects();
  own.set('serviceEntries', 'shop/a', ours('a', 'cart'));
  own.set('slices', 'shop/x', ours('x', 'cart'));
  t.deepEqual(own.forget('serviceEntries'), ['shop/cart']);
  t.is(own.of('shop/cart').length, 1);
});
