import test from 'ava';
import fc from 'fast-check';
import { encode } from 'bpf-linker-node/codec';
import { maps } from './capture-skeleton.ts';
import { directRouteKey, sumDirectCounts } from './direct-layout.ts';

test('counts of all processors are added, each by its place in the layout of the compiler', (t) => {
  const count = fc.nat({ max: 2 ** 40 });
  const one = fc.record({ opened: count, completed: count, broken: count, failed: count, sentBytes: count, receivedBytes: count });
  fc.assert(fc.property(fc.array(one, { maxLength: 8 }), (all) => {
    const values = all.map(({ opened, completed, broken, failed, sentBytes, receivedBytes }) => encode(maps.direct_counts.value, { opened: BigInt(opened), completed: BigInt(completed), broken: BigInt(broken), failed: BigInt(failed), sent_bytes: BigInt(sentBytes), received_bytes: BigInt(receivedBytes) }));
    const sum = (of: keyof (typeof all)[number]): number => all.reduce((total, each) => total + each[of], 0);
    t.deepEqual(sumDirectCounts(Buffer.concat(values)), { opened: sum('opened'), completed: sum('completed'), broken: sum('broken'), failed: sum('failed'), sentBytes: sum('sentBytes'), receivedBytes: sum('receivedBytes') });
  }));
});

test('the same destination has the same key, however its address is written', (t) => {
  t.true(directRouteKey(7n, { ip: '::ffff:10.1.2.3', port: 80 }).equals(directRouteKey(7n, { ip: '10.1.2.3', port: 80 })));
  for (const [netns, ip, port] of [[8n, '10.1.2.3', 80], [7n, '10.1.2.4', 80], [7n, '10.1.2.3', 81], [7n, 'fd00::3', 80]] as const) t.false(directRouteKey(netns, { ip, port }).equals(directRouteKey(7n, { ip: '10.1.2.3', port: 80 })));
});
