import test from 'ava';
import { giveSlab, LARGE_SLAB, SMALL_SLAB, takeSlab } from './slab.ts';

test('a slab has room for what was asked, and is empty', (t) => {
  for (const size of [0, 1, SMALL_SLAB, SMALL_SLAB + 1, LARGE_SLAB]) {
    const slab = takeSlab(size);
    t.true(slab.bytes.length >= size);
    t.deepEqual([slab.start, slab.end], [0, 0]);
  }
  t.is(takeSlab(SMALL_SLAB).bytes.length, SMALL_SLAB);
});

test('more than a slab has is an error, not bytes that are lost', (t) => {
  t.throws(() => takeSlab(LARGE_SLAB + 1), { instanceOf: RangeError });
});

test('one that was given back is lent again, empty', (t) => {
  const slab = takeSlab(100);
  slab.start = 5;
  slab.end = 50;
  giveSlab(slab);
  const again = takeSlab(100);
  t.is(again, slab);
  t.deepEqual([again.start, again.end], [0, 0]);
});

test('no two borrowers share one', (t) => {
  const slabs = Array.from({ length: 200 }, (_, i) => takeSlab(i % 2 === 0 ? 1 : LARGE_SLAB));
  t.is(new Set(slabs).size, slabs.length);
  for (const slab of slabs) giveSlab(slab);
  const again = Array.from({ length: 200 }, (_, i) => takeSlab(i % 2 === 0 ? 1 : LARGE_SLAB));
  t.is(new Set(again.map(({ address }) => address)).size, again.length);
});
