import test from 'ava';
import fc from 'fast-check';
import { usableEndpoints } from './usable-endpoints.ts';

const endpoint = fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean(), node: fc.constantFrom(undefined, 'a', 'b') });

test('an endpoint is used if it is ready, or ends and none is ready', (t) => {
  fc.assert(fc.property(fc.array(endpoint, { maxLength: 6 }), (endpoints) => {
    const used = usableEndpoints(endpoints);
    const anyReady = endpoints.some(({ ready }) => ready);
    for (const each of endpoints) t.is(used.includes(each), anyReady ? each.ready : each.serving && each.terminating);
  }));
});

test('by node each is judged as if there was no other', (t) => {
  fc.assert(fc.property(fc.array(endpoint, { maxLength: 6 }), (endpoints) => {
    const used = usableEndpoints(endpoints, true);
    for (const node of [undefined, 'a', 'b']) t.deepEqual(used.filter((each) => each.node === node), [...usableEndpoints(endpoints.filter((each) => each.node === node))]);
  }));
});
