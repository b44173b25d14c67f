import test from 'ava';
import fc from 'fast-check';
import { aliasTable } from './alias-table.ts';

/** The share of each, as the columns give it. */
function sharesOf(weights: readonly number[]): number[] {
  const columns = aliasTable(weights);
  const shares = weights.map(() => 0);
  for (const [at, { threshold, alias }] of columns.entries()) {
    const own = alias === at ? 1 : threshold / 2 ** 32;
    shares[at] = (shares[at] ?? 0) + own / columns.length;
    shares[alias] = (shares[alias] ?? 0) + (1 - own) / columns.length;
  }
  return shares;
}

test('each gets its weight of the whole', (t) => {
  const weights = fc.array(fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 1, max: 1e6, noNaN: true })), { minLength: 1, maxLength: 64 });
  fc.assert(fc.property(weights, (all) => {
    const total = all.reduce((sum, weight) => sum + weight, 0);
    return sharesOf(all).every((share, at) => Math.abs(share - (all[at] ?? 0) / total) < 1e-6);
  }));
  t.deepEqual(sharesOf([70, 20, 10]).map((share) => Math.round(share * 1000)), [700, 200, 100]);
});

test('thresholds and aliases fit where they are kept', (t) => {
  fc.assert(fc.property(fc.array(fc.double({ min: 1, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 64 }), (weights) => {
    const columns = aliasTable(weights);
    return columns.length === weights.length && columns.every(({ threshold, alias }) => Number.isInteger(threshold) && threshold >= 0 && threshold < 2 ** 32 && alias >= 0 && alias < weights.length);
  }));
  t.deepEqual(aliasTable([]), []);
  t.deepEqual(aliasTable([3]), [{ threshold: 2 ** 32 - 1, alias: 0 }]);
});
