import test from 'ava';
import fc from 'fast-check';
import type { MeshEndpoint } from './service.ts';
import { ServingIndex } from './serving-index.ts';

test('whatever services come and go, each workload has what they say of it at the moment', (t) => {
  const change = fc.record({ uid: fc.constantFrom('a', 'b'), service: fc.constantFrom('x', 'y', 'z'), port: fc.option(fc.nat({ max: 3 }), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const index = new ServingIndex();
      const wanted = new Map<string, Map<string, MeshEndpoint>>([['a', new Map()], ['b', new Map()]]);
      for (const { uid, service, port } of changes) {
        if (port === undefined) {
          index.delete(uid, service);
          wanted.get(uid)?.delete(service);
        } else {
          const endpoint: MeshEndpoint = { workload: undefined, ports: [{ port, target: port, protocol: 'tcp' }], isUsable: true, name: undefined };
          index.set(uid, service, endpoint);
          wanted.get(uid)?.set(service, endpoint);
        }
        for (const [each, behind] of wanted) t.deepEqual([...index.of(each)].sort(), [...behind].sort());
      }
    }),
  );
});
