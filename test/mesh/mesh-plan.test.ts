import { isIP } from 'node:net';
import test from 'ava';
import { planMesh } from './mesh-plan.ts';

test('everything has an address of its own, in the range of its node', (t) => {
  const nodes = planMesh({ west: ['a', 'b'], east: ['c'] });
  t.deepEqual(nodes.map(({ name, address, wan }) => ({ name, address, wan })), [
    { name: 'west', address: '10.199.1.1', wan: '10.199.0.1' },
    { name: 'east', address: '10.199.2.1', wan: '10.199.0.2' },
  ]);
  t.deepEqual(nodes[0]?.pods[1], { name: 'b', families: ['IPv4', 'IPv6'], address: '10.199.1.3', address6: 'fd99:1::3' });
  const all = nodes.flatMap(({ address, address6, wan, wan6, pods }) => [address, address6, wan, wan6, ...pods.flatMap((pod) => [pod.address, pod.address6])]);
  t.true(all.every((address) => isIP(address) !== 0));
  t.is(new Set(all).size, all.length);
});

test('names that would collide are refused', (t) => {
  t.throws(() => planMesh({ west: ['a', 'a'] }));
  t.throws(() => planMesh({ west: ['a'], east: ['west'] }));
  t.throws(() => planMesh({ west: ['a pod'] }));
  t.throws(() => planMesh({ west: ['elevenchars'] }));
});
