import test from 'ava';
import fc from 'fast-check';
import { isIpv4, parseIp } from '@landbridge/core/ip-address.ts';
import { areSameAddresses, podAddresses, shareAnAddress } from './pod-addresses.ts';

const texts = fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()));

test('of whatever a pod is told to have, there is one address of each family at most, each that was told first', (t) => {
  fc.assert(fc.property(texts, (told) => {
    const addresses = podAddresses(told);
    const parsed = told.flatMap((text) => {
      const ip = parseIp(text);
      return ip.ok ? [ip.value] : [];
    });
    t.deepEqual([...addresses].sort(), [true, false].flatMap((is) => parsed.find((ip) => isIpv4(ip) === is) ?? []).sort());
    t.deepEqual(podAddresses(addresses), addresses);
  }));
  t.deepEqual(podAddresses(['fd00::1', '10.0.0.1', 'fd00::2', 'pod']).map(String), ['fd00::1', '10.0.0.1']);
});

test('the order of addresses does not matter', (t) => {
  fc.assert(fc.property(texts.map(podAddresses), texts.map(podAddresses), (a, b) => {
    t.true(areSameAddresses(a, [...a].reverse()));
    t.is(areSameAddresses(a, b), areSameAddresses(b, a));
    t.is(shareAnAddress(a, b), shareAnAddress(b, a));
    if (areSameAddresses(a, b)) t.is(shareAnAddress(a, b), a.length > 0);
  }));
});
