import test from 'ava';
import fc from 'fast-check';
import { endpoint } from '../records/example-records.ts';
import { capShares, keepShares } from './share-caps.ts';

const part = fc.record({ ready: fc.oneof(fc.nat(5), fc.nat(2000)), maxSharePercent: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }) });

test('no cluster has more than its cap beside others, none is left without endpoints, and none has more than it had', (t) => {
  fc.assert(fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
    const counts = capShares(parts);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const whole = Math.min(100, parts.filter(({ ready }) => ready > 0).reduce((sum, { maxSharePercent = 100 }) => sum + maxSharePercent, 0));
    for (const [i, { ready, maxSharePercent = 100 }] of parts.entries()) {
      const count = counts[i] as number;
      t.true(count <= ready);
      t.is(count > 0, ready > 0);
      t.true(count <= 1 || count * whole <= maxSharePercent * total, `${JSON.stringify(parts)} ${counts}`);
    }
  }), { numRuns: 3000 });
});

test('who is within its cap keeps all, and so does who is alone', (t) => {
  t.deepEqual(capShares([{ ready: 4, maxSharePercent: undefined }, { ready: 1, maxSharePercent: 20 }]), [4, 1]);
  t.deepEqual(capShares([{ ready: 4, maxSharePercent: undefined }, { ready: 1000, maxSharePercent: 20 }]), [4, 1]);
  t.deepEqual(capShares([{ ready: 8, maxSharePercent: undefined }, { ready: 1000, maxSharePercent: 20 }]), [8, 2]);
  t.deepEqual(capShares([{ ready: 0, maxSharePercent: undefined }, { ready: 1000, maxSharePercent: 20 }]), [0, 1000]);
  t.deepEqual(capShares([{ ready: 10, maxSharePercent: 30 }, { ready: 10, maxSharePercent: 30 }]), [10, 10], 'caps that can not all hold');
});

test('the same endpoints stay while others come and go, and what is not ready is never taken for a share', (t) => {
  const many = Array.from({ length: 100 }, (_, i) => endpoint(`m-${i}`, `10.9.0.${i}`));
  const starting = { ...endpoint('starting'), ready: false };
  const kept = (of: typeof many): string[] => keepShares([{ cluster: 'west', endpoints: [endpoint('a'), endpoint('b')], maxSharePercent: undefined }, { cluster: 'm', endpoints: [...of, starting], maxSharePercent: 50 }])[1]?.endpoints.map(({ workload }) => workload) ?? [];
  const all = kept(many);
  t.is(all.length, 3);
  t.true(all.includes('starting'));
  t.deepEqual(kept(many.filter(({ workload }) => all.includes(workload) || workload.endsWith('7'))).sort(), [...all].sort());
  const untouched = [{ cluster: 'm', endpoints: many, maxSharePercent: undefined }];
  t.is(keepShares(untouched)[0]?.endpoints, many);
});
